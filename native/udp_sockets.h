// SPDX-License-Identifier: Apache-2.0
// findUdpSockets, reconnectUdpSockets, destroyUdpSockets for JavaScript.
#pragma once

#include <napi.h>

void InitUdpSockets(Napi::Env env, Napi::Object exports);
