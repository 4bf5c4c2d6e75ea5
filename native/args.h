// SPDX-License-Identifier: Apache-2.0
// Reads the arguments of one call and refuses what does not fit, naming the
// argument. Every buffer that reaches the kernel comes through here, because
// the kernel believes the sizes it has on record, not the caller's.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "errors.h"

// Bytes owned by JavaScript; valid until the call returns.
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

class Args {
 public:
  Args(const Napi::CallbackInfo& info, const Attempt& attempt) : info_(info), attempt_(attempt) {}

  Napi::Env env() const { return info_.Env(); }
  bool has(size_t i) const { return i < info_.Length() && !info_[i].IsUndefined(); }

  std::string string(size_t i, const char* name) const { return toString(info_[i], name); }
  uint32_t u32(size_t i, const char* name) const { return toU32(info_[i], name); }
  uint64_t size(size_t i, const char* name) const { return toInteger(info_[i], name, kMaxSafe); }
  bool boolean(size_t i, const char* name) const {
    if (!info_[i].IsBoolean()) refuse(name, "is not a boolean");
    return info_[i].As<Napi::Boolean>().Value();
  }
  Bytes bytes(size_t i, const char* name) const { return toBytes(info_[i], name); }

  // `what` says whose size it is: "the map's keys have".
  Bytes bytes(size_t i, const char* name, size_t expected, const char* what) const {
    const Bytes bytes = toBytes(info_[i], name);
    if (bytes.size != expected) {
      refuse(name, "has " + std::to_string(bytes.size) + " bytes, " + what + " " +
                       std::to_string(expected));
    }
    return bytes;
  }
  Napi::Object object(size_t i, const char* name) const {
    if (!info_[i].IsObject()) refuse(name, "is not an object");
    return info_[i].As<Napi::Object>();
  }
  Napi::Function function(size_t i, const char* name) const {
    if (!info_[i].IsFunction()) refuse(name, "is not a function");
    return info_[i].As<Napi::Function>();
  }

  std::string toString(Napi::Value value, const char* name) const {
    if (!value.IsString()) refuse(name, "is not a string");
    std::string text = value.As<Napi::String>().Utf8Value();
    // The kernel would silently stop at the zero and act on something else.
    if (text.find('\0') != std::string::npos) refuse(name, "contains a zero byte");
    return text;
  }
  uint32_t toU32(Napi::Value value, const char* name) const {
    return static_cast<uint32_t>(toInteger(value, name, std::numeric_limits<uint32_t>::max()));
  }
  Bytes toBytes(Napi::Value value, const char* name) const {
    if (!value.IsTypedArray() ||
        value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      refuse(name, "is not a Uint8Array");
    }
    Napi::Uint8Array array = value.As<Napi::Uint8Array>();
    return {array.Data(), array.ByteLength()};
  }

  [[noreturn]] void refuse(const char* name, const std::string& why) const {
    FailArgument(env(), attempt_, std::string(name) + " " + why);
  }
  [[noreturn]] void refuseClosed(const char* name) const {
    FailClosed(env(), attempt_, std::string(name) + " is closed");
  }

 private:
  static constexpr uint64_t kMaxSafe = (uint64_t{1} << 53) - 1;

  uint64_t toInteger(Napi::Value value, const char* name, uint64_t max) const {
    if (!value.IsNumber()) refuse(name, "is not a number");
    const double number = value.As<Napi::Number>().DoubleValue();
    if (!(number >= 0) || number > static_cast<double>(max) || number != std::floor(number)) {
      refuse(name, "is not an integer from 0 to " + std::to_string(max));
    }
    return static_cast<uint64_t>(number);
  }

  const Napi::CallbackInfo& info_;
  const Attempt& attempt_;
};
