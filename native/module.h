// SPDX-License-Identifier: Apache-2.0
// What the parts of the module share: the state of one JavaScript environment
// (the main thread's or a worker's) and the Init functions addon.cc calls.
// Nothing in native/ keeps global state that outlives an environment.
#pragma once

#include <napi.h>

#include <memory>

#include "mapping.h"

// Lives as the environment's instance data (there is one such slot: do not call
// SetInstanceData elsewhere); freed by Node when the environment ends, after
// its cleanup hooks have run.
struct AddonState {
  Napi::FunctionReference errorClass;
  Napi::FunctionReference objectClass;
  Napi::FunctionReference mapClass;
  Napi::FunctionReference programClass;
  Napi::FunctionReference linkClass;
  std::shared_ptr<MappingTable> mappings = std::make_shared<MappingTable>();

  static AddonState& of(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }
};

void InitObject(Napi::Env env, Napi::Object exports);
void InitMap(Napi::Env env, Napi::Object exports);
void InitProgram(Napi::Env env, Napi::Object exports);
void InitLink(Napi::Env env, Napi::Object exports);
void InitRingBuffer(Napi::Env env, Napi::Object exports);
