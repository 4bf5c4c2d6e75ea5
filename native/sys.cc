// SPDX-License-Identifier: Apache-2.0
// rcuBarrier, netnsCookie, flock, mountBpffs.
#include "sys.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "args.h"
#include "errors.h"
#include "fd.h"
#include "thread.h"

// Missing in older headers (Linux 5.14).
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace {

// Writing to a map of maps makes the kernel wait for all BPF programs that may
// still use the old value (maybe_wait_bpf_programs, Linux 4.20): a grace period.
// membarrier(GLOBAL) costs the same, but is refused on nohz_full kernels, and on
// a single CPU returns at once, although a preempted program may still be there.
int waitForPrograms() {
  const Fd inner(bpf_map_create(BPF_MAP_TYPE_ARRAY, "rcu_inner", sizeof(uint32_t), sizeof(uint32_t),
                                1, nullptr));
  if (!inner.valid()) return errno;
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.inner_map_fd = static_cast<uint32_t>(inner.get());
  const Fd outer(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "rcu_outer", sizeof(uint32_t),
                                sizeof(uint32_t), 1, &options));
  if (!outer.valid()) return errno;
  const uint32_t key = 0;
  const int value = inner.get();
  return bpf_map_update_elem(outer.get(), &key, &value, BPF_ANY) == 0 ? 0 : errno;
}

class RcuBarrier : public Napi::AsyncWorker {
 public:
  explicit RcuBarrier(Napi::Env env)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { error_ = waitForPrograms(); }

  void OnOK() override {
    if (error_ == 0) {
      deferred_.Resolve(Env().Undefined());
      return;
    }
    const Attempt attempt{"sys.rcuBarrier", "wait for", "running BPF programs"};
    Failure failure;
    failure.err = error_;
    deferred_.Reject(MakeError(Env(), attempt, failure).Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  int error_ = 0;
};

Napi::Value RcuBarrierCall(const Napi::CallbackInfo& info) {
  auto* worker = new RcuBarrier(info.Env());  // deletes itself when done
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

int cookieOfThread(uint64_t* cookie) {
  const Fd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) return errno;
  socklen_t length = sizeof(*cookie);
  return getsockopt(socket_fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, cookie, &length) == 0 ? 0 : errno;
}

Napi::Value NetnsCookie(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Attempt attempt{"sys.netnsCookie", "read the cookie of", "this network namespace"};
  const Args args(info, attempt);
  uint64_t cookie = 0;
  int error = 0;
  std::string path;
  if (args.has(0)) {
    path = args.string(0, "path");
    attempt.object = path;
    const Fd netns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns.valid()) Fail(env, attempt, errno);
    error = OnOwnThread([&] {
      if (setns(netns.get(), CLONE_NEWNET) != 0) return errno;
      return cookieOfThread(&cookie);
    });
  } else {
    error = cookieOfThread(&cookie);
  }
  if (error == ENOPROTOOPT) return env.Undefined();
  if (error != 0) Fail(env, attempt, error);
  return Napi::BigInt::New(env, cookie);
}

Napi::Value Flock(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"sys.flock", "lock", "a descriptor"};
  const Args args(info, attempt);
  const uint32_t fd = args.u32(0, "fd");
  const bool exclusive = args.boolean(1, "exclusive");
  if (flock(static_cast<int>(fd), (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
    return Napi::Boolean::New(env, true);
  }
  if (errno != EWOULDBLOCK) Fail(env, attempt, errno);
  return Napi::Boolean::New(env, false);
}

void MountBpffs(const Napi::CallbackInfo& info) {
  Attempt attempt{"sys.mountBpffs", "mount a BPF file system on", ""};
  const Args args(info, attempt);
  const std::string path = args.string(0, "path");
  attempt.object = path;
  if (mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    Fail(info.Env(), attempt, errno);
  }
}

}  // namespace

void InitSys(Napi::Env env, Napi::Object exports) {
  exports.Set("rcuBarrier", Napi::Function::New(env, RcuBarrierCall, "rcuBarrier"));
  exports.Set("netnsCookie", Napi::Function::New(env, NetnsCookie, "netnsCookie"));
  exports.Set("flock", Napi::Function::New(env, Flock, "flock"));
  exports.Set("mountBpffs", Napi::Function::New(env, MountBpffs, "mountBpffs"));
}
