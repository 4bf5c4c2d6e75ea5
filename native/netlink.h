// SPDX-License-Identifier: Apache-2.0
// Links, addresses, routes and neighbours of the calling thread's network
// namespace: dumps, and notifications into the event loop.
#pragma once

#include <napi.h>

void InitNetlink(Napi::Env env, Napi::Object exports);
