// SPDX-License-Identifier: Apache-2.0
// What maps, programs and links have in common: a wrapped descriptor with a
// name for messages, an idempotent close(), pin(), and a check that an argument
// really is one of ours (a type tag; a prototype can be forged).
#pragma once

#include <bpf/bpf.h>
#include <napi.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "args.h"
#include "errors.h"
#include "fd.h"
#include "module.h"

// Opens a pin and makes sure that it is what the caller takes it for: the
// kernel answers a question about a program's descriptor with a program's data,
// whatever the asker expected. `kinds` are names of anonymous inodes.
Fd OpenPinned(Napi::Env env, const Attempt& attempt, const std::string& path,
              std::initializer_list<std::string_view> kinds);

// T gives kNoun ("map"), kTag, and classOf(AddonState&).
template <typename T>
class Handle : public Napi::ObjectWrap<T> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {
    this->Value().TypeTag(&T::kTag);
  }

  static T& unwrap(const Args& args, Napi::Value value, const char* name) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&T::kTag)) {
      args.refuse(name, std::string("is not a ") + T::kNoun);
    }
    return *T::Unwrap(value.As<Napi::Object>());
  }
  // The descriptor of an argument, which may be closed while the receiver is not.
  static int descriptor(const Args& args, const Napi::Value& value, const char* name) {
    const T& handle = unwrap(args, value, name);
    if (!handle.fd_.valid()) args.refuseClosed(name);
    return handle.fd_.get();
  }

  const std::string& name() const { return name_; }

  Napi::Value close(const Napi::CallbackInfo& info) {
    fd_.reset();
    return info.Env().Undefined();
  }
  Napi::Value pin(const Napi::CallbackInfo& info) {
    const std::string op = std::string(T::kNoun) + ".pin";
    const std::string doing = std::string("pin ") + T::kNoun;
    const Attempt attempt{op, doing, name_};
    const int fd = open(info.Env(), attempt);
    const std::string path = Args(info, attempt).string(0, "path");
    if (const int err = bpf_obj_pin(fd, path.c_str()); err < 0) {
      Failure failure;
      failure.err = err;
      failure.reason = path + ": " + ErrnoText(-err);
      Fail(info.Env(), attempt, std::move(failure));
    }
    return info.Env().Undefined();
  }
  Napi::Value fdNumber(const Napi::CallbackInfo& info) {
    const std::string op = std::string(T::kNoun) + ".fd";
    const std::string doing = std::string("use ") + T::kNoun;
    return Napi::Number::New(info.Env(), open(info.Env(), {op, doing, name_}));
  }

 protected:
  static T& create(Napi::Env env, Fd fd, std::string name) {
    T& handle = *T::Unwrap(T::classOf(AddonState::of(env)).New({}));
    handle.fd_ = std::move(fd);
    handle.name_ = std::move(name);
    return handle;
  }
  static void define(Napi::Env env, const char* name,
                     std::vector<Napi::ClassPropertyDescriptor<T>> properties) {
    properties.push_back(T::InstanceMethod("close", &T::close));
    properties.push_back(T::InstanceMethod("pin", &T::pin));
    T::classOf(AddonState::of(env)) = Napi::Persistent(T::DefineClass(env, name, properties));
  }

  int open(Napi::Env env, const Attempt& attempt) const {
    if (!fd_.valid()) FailClosed(env, attempt);
    return fd_.get();
  }

  Fd fd_;
  std::string name_;
};
