// SPDX-License-Identifier: Apache-2.0
// The layout table of a BPF object file: structs, enums, maps and variables as its BTF describes
// them. Needs no privilege and loads nothing. Judges nothing: what a layout must look like is known
// to src/toolchain alone.
#pragma once

#include <napi.h>

void InitBtf(Napi::Env env, Napi::Object exports);
