// SPDX-License-Identifier: Apache-2.0
// Programs as filters of a clsact qdisc: tc before Linux 6.6.
#pragma once

#include <napi.h>

void InitClsact(Napi::Env env, Napi::Object exports);
