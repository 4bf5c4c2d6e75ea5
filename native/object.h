// SPDX-License-Identifier: Apache-2.0
// One BPF object file, from open over settings to load. Maps and programs it
// gives away have descriptors of their own and outlive it.
#pragma once

#include <bpf/libbpf.h>
#include <napi.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "args.h"
#include "errors.h"
#include "module.h"

struct ObjectDeleter {
  void operator()(struct bpf_object* object) const { bpf_object__close(object); }
};
using ObjectPtr = std::unique_ptr<struct bpf_object, ObjectDeleter>;

class BpfObject : public Napi::ObjectWrap<BpfObject> {
 public:
  static void defineClass(Napi::Env env);
  static Napi::Object make(Napi::Env env, ObjectPtr object, std::string name);

  using ObjectWrap::ObjectWrap;

  Napi::Value maps(const Napi::CallbackInfo& info);
  Napi::Value programs(const Napi::CallbackInfo& info);
  Napi::Value setVariable(const Napi::CallbackInfo& info);
  Napi::Value setMaxEntries(const Napi::CallbackInfo& info);
  Napi::Value reuseMap(const Napi::CallbackInfo& info);
  Napi::Value setAutoload(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value map(const Napi::CallbackInfo& info);
  Napi::Value program(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

 private:
  // libbpf tries once, and keeps nothing usable of an object that failed.
  enum class State { kOpen, kLoaded, kFailed };

  struct bpf_object* open(Napi::Env env, const Attempt& attempt) const;
  struct bpf_object* unloaded(Napi::Env env, const Attempt& attempt) const;
  struct bpf_object* loaded(Napi::Env env, const Attempt& attempt) const;
  const std::pair<const std::string, struct bpf_map*>& findMap(const Args& args,
                                                               const Attempt& attempt,
                                                               size_t i) const;
  struct bpf_program* findProgram(const Args& args, const Attempt& attempt, size_t i) const;

  ObjectPtr object_;
  // As the source calls them, which libbpf forgets when a map is taken over.
  std::map<std::string, struct bpf_map*> maps_;
  State state_ = State::kOpen;
  std::string name_;
};
