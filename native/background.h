// SPDX-License-Identifier: Apache-2.0
// Work that must not hold up the event loop: runs on a thread of libuv, what it
// found becomes a promise's value on JavaScript's thread. The work touches no
// JavaScript value.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "errors.h"

// `work` fills in the result; 0 or an errno. `convert` makes a value of it.
template <typename Result>
class Background : public Napi::AsyncWorker {
 public:
  using Work = std::function<int(Result&)>;
  using Convert = std::function<Napi::Value(Napi::Env, const Result&)>;

  // attempt: literals, because it outlives the call.
  static Napi::Promise run(Napi::Env env, const Attempt& attempt, Work work, Convert convert) {
    auto* worker = new Background(env, attempt, std::move(work), std::move(convert));
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();  // deletes itself when done
    return promise;
  }

 protected:
  void Execute() override { error_ = work_(result_); }

  void OnOK() override {
    if (error_ == 0) {
      deferred_.Resolve(convert_(Env(), result_));
      return;
    }
    Failure failure;
    failure.err = error_;
    deferred_.Reject(MakeError(Env(), attempt_, failure).Value());
  }

 private:
  Background(Napi::Env env, const Attempt& attempt, Work work, Convert convert)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        attempt_(attempt),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  Napi::Promise::Deferred deferred_;
  const Attempt attempt_;
  const Work work_;
  const Convert convert_;
  Result result_{};
  int error_ = 0;
};
