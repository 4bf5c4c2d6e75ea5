// SPDX-License-Identifier: Apache-2.0
// One loaded program: what the kernel says about it, and test runs.
#pragma once

#include "handle.h"

class BpfProgram : public Handle<BpfProgram> {
 public:
  static constexpr const char* kNoun = "program";
  static constexpr napi_type_tag kTag = {0x6270667376630002, 0x70726f6772616d01};
  static Napi::FunctionReference& classOf(AddonState& state) { return state.programClass; }
  static void defineClass(Napi::Env env);

  using Handle::Handle;

  // An empty name stands for the kernel's.
  static Napi::Object make(Napi::Env env, const Attempt& attempt, Fd fd, std::string name);

  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value testRun(const Napi::CallbackInfo& info);
};
