// SPDX-License-Identifier: Apache-2.0
// One attachment. A link that is not pinned ends with its last descriptor, so
// closing (or losing) it detaches the program; a pinned one outlives the agent.
#pragma once

#include "handle.h"

class BpfLink : public Handle<BpfLink> {
 public:
  static constexpr const char* kNoun = "link";
  static constexpr napi_type_tag kTag = {0x6270667376630003, 0x6c696e6b206c6e01};
  static Napi::FunctionReference& classOf(AddonState& state) { return state.linkClass; }
  static void defineClass(Napi::Env env);

  using Handle::Handle;

  static Napi::Object make(Napi::Env env, Fd fd, std::string name);

  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value detach(const Napi::CallbackInfo& info);
};
