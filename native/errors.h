// SPDX-License-Identifier: Apache-2.0
// Failures on their way to JavaScript: one class (made in TypeScript, handed
// over by setErrorClass), one wording: "cannot <doing> <object>: <reason> (<code>)".
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What is being tried. Views, so that a call that succeeds pays nothing; they
// must outlive the call.
struct Attempt {
  std::string_view op;      // "map.update": stable, for programs
  std::string_view doing;   // "update map": for people
  std::string_view object;  // the map's, program's or interface's name, or a path
};

struct Failure {
  int err = 0;         // positive errno
  std::string reason;  // empty: what the C library says about err
  std::string code;    // empty: the name of err
  std::optional<std::string> verifierLog;
  std::optional<uint32_t> applied;  // entries of a batch that are in force all the same
};

// "ENOENT"; knows the kernel's own ENOTSUPP (524), which libc does not.
std::string ErrnoName(int err);
std::string ErrnoText(int err);

// The exception to throw; must be made on the environment's own thread.
Napi::Error MakeError(Napi::Env env, const Attempt& attempt, const Failure& failure);

[[noreturn]] void Fail(Napi::Env env, const Attempt& attempt, Failure failure);
// err may be negative, as libbpf returns it.
[[noreturn]] void Fail(Napi::Env env, const Attempt& attempt, int err);
// The caller handed over something that cannot be right: EINVAL and why.
[[noreturn]] void FailArgument(Napi::Env env, const Attempt& attempt, std::string reason);
// Use after close(): code ECLOSED.
[[noreturn]] void FailClosed(Napi::Env env, const Attempt& attempt,
                             std::string reason = "it is closed");

void InitErrors(Napi::Env env, Napi::Object exports);
