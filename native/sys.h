// SPDX-License-Identifier: Apache-2.0
// System calls that Node does not offer and the control plane needs.
#pragma once

#include <napi.h>

void InitSys(Napi::Env env, Napi::Object exports);
