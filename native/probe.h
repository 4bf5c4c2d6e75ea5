// SPDX-License-Identifier: Apache-2.0
// What this kernel can do, found out by doing it. Which answers matter is known
// to src/kernel/features.ts.
#pragma once

#include <napi.h>

void InitProbe(Napi::Env env, Napi::Object exports);
