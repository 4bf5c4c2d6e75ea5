// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "module.h"

namespace {

constexpr int kKernelNotSupported = 524;

Napi::Value SetErrorClass(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsFunction()) {
    FailArgument(info.Env(), {"addon.setErrorClass", "set", "the error class"},
                 "argument 1 is not a class");
  }
  AddonState::of(info.Env()).errorClass = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

// Until setErrorClass is called a plain Error carries the same properties.
Napi::Object Construct(Napi::Env env, const std::string& message, Napi::Object fields) {
  AddonState& state = AddonState::of(env);
  if (!state.errorClass.IsEmpty()) {
    return state.errorClass.New({Napi::String::New(env, message), fields});
  }
  Napi::Object error = Napi::Error::New(env, message).Value();
  Napi::Array names = fields.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    Napi::Value name = names.Get(i);
    error.Set(name, fields.Get(name));
  }
  return error;
}

}  // namespace

std::string ErrnoName(int err) {
  if (err == kKernelNotSupported) return "ENOTSUPP";
  const char* name = strerrorname_np(err);
  return name != nullptr ? name : "E" + std::to_string(err);
}

std::string ErrnoText(int err) {
  if (err == kKernelNotSupported) return "this kernel does not support the operation here";
  char buffer[128];
  return strerror_r(err, buffer, sizeof(buffer));
}

Napi::Error MakeError(Napi::Env env, const Attempt& attempt, const Failure& failure) {
  const std::string code = failure.code.empty() ? ErrnoName(failure.err) : failure.code;
  std::string message = "cannot ";
  message.append(attempt.doing).append(" ").append(attempt.object).append(": ");
  message.append(failure.reason.empty() ? ErrnoText(failure.err) : failure.reason);
  message.append(" (").append(code).append(")");

  Napi::Object fields = Napi::Object::New(env);
  fields.Set("code", code);
  fields.Set("errno", failure.err);
  fields.Set("op", Napi::String::New(env, attempt.op.data(), attempt.op.size()));
  fields.Set("object", Napi::String::New(env, attempt.object.data(), attempt.object.size()));
  if (failure.verifierLog) fields.Set("verifierLog", *failure.verifierLog);
  if (failure.applied) fields.Set("applied", *failure.applied);
  return Napi::Error(env, Construct(env, message, fields));
}

void Fail(Napi::Env env, const Attempt& attempt, Failure failure) {
  failure.err = std::abs(failure.err);
  throw MakeError(env, attempt, failure);
}

void Fail(Napi::Env env, const Attempt& attempt, int err) {
  Failure failure;
  failure.err = err;
  Fail(env, attempt, std::move(failure));
}

void FailArgument(Napi::Env env, const Attempt& attempt, std::string reason) {
  Failure failure;
  failure.err = EINVAL;
  failure.reason = std::move(reason);
  Fail(env, attempt, std::move(failure));
}

void FailClosed(Napi::Env env, const Attempt& attempt, std::string reason) {
  Failure failure;
  failure.err = EBADF;
  failure.code = "ECLOSED";
  failure.reason = std::move(reason);
  Fail(env, attempt, std::move(failure));
}

void InitErrors(Napi::Env env, Napi::Object exports) {
  exports.Set("setErrorClass", Napi::Function::New(env, SetErrorClass, "setErrorClass"));
}
