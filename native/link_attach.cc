// SPDX-License-Identifier: Apache-2.0
// Ways to come by a link: attach to a cgroup or an interface, or open a pin.
// An interface index counts in the network namespace of the calling thread.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>

#include <cerrno>
#include <vector>

#include "link.h"
#include "program.h"

namespace {

Fd OpenCgroup(Napi::Env env, const Attempt& attempt, const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) Fail(env, attempt, errno);
  return fd;
}

// "sock_connect4 at interface 4": both ends, because either may be to blame.
std::string LinkName(const std::string& program, const std::string& place) {
  return program + " at " + place;
}

// bpf_link_create takes attach types by number, so that tcx works with headers
// and libraries (1.1) that have no name for it.
Napi::Value Create(Napi::Env env, const Attempt& attempt, int program, int place,
                   uint32_t attachType, const struct bpf_link_create_opts* options,
                   std::string name) {
  Fd fd(bpf_link_create(program, place, static_cast<bpf_attach_type>(attachType), options));
  if (!fd.valid()) Fail(env, attempt, errno);
  return BpfLink::make(env, std::move(fd), std::move(name));
}

Napi::Value AttachCgroup(const Napi::CallbackInfo& info) {
  const Attempt unnamed{"link.attachCgroup", "attach program", "to a cgroup"};
  const Args anonymous(info, unnamed);
  const std::string path = anonymous.string(1, "cgroupPath");
  const std::string name = LinkName(BpfProgram::unwrap(anonymous, info[0], "program").name(), path);
  const Attempt attempt{"link.attachCgroup", "attach program", name};
  const Args args(info, attempt);
  const int program = BpfProgram::descriptor(args, info[0], "program");
  const Fd cgroup = OpenCgroup(info.Env(), attempt, path);
  return Create(info.Env(), attempt, program, cgroup.get(), args.u32(2, "attachType"), nullptr,
                name);
}

Napi::Value AttachDevice(const Napi::CallbackInfo& info, std::string_view op, uint32_t attachType,
                         uint32_t flags) {
  const Attempt unnamed{op, "attach program", "to an interface"};
  const Args anonymous(info, unnamed);
  const uint32_t ifindex = anonymous.u32(1, "ifindex");
  const std::string name = LinkName(BpfProgram::unwrap(anonymous, info[0], "program").name(),
                                    "interface " + std::to_string(ifindex));
  const Attempt attempt{op, "attach program", name};
  const int program = BpfProgram::descriptor(Args(info, attempt), info[0], "program");
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.flags = flags;
  return Create(info.Env(), attempt, program, static_cast<int>(ifindex), attachType,
                flags == 0 ? nullptr : &options, name);
}

Napi::Value AttachTcx(const Napi::CallbackInfo& info) {
  constexpr uint32_t kTcxIngress = 46;
  constexpr uint32_t kTcxEgress = 47;
  const Attempt attempt{"link.attachTcx", "attach program", "to an interface"};
  const Args args(info, attempt);
  const uint32_t attachType = args.u32(2, "attachType");
  if (attachType != kTcxIngress && attachType != kTcxEgress)
    args.refuse("attachType", "is not one of tcx's");
  return AttachDevice(info, "link.attachTcx", attachType, 0);
}

Napi::Value AttachXdp(const Napi::CallbackInfo& info) {
  const Attempt attempt{"link.attachXdp", "attach program", "to an interface"};
  return AttachDevice(info, "link.attachXdp", BPF_XDP, Args(info, attempt).u32(2, "flags"));
}

Napi::Value QueryCgroup(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path =
      Args(info, {"link.queryCgroup", "list programs", "of a cgroup"}).string(0, "cgroupPath");
  const Attempt attempt{"link.queryCgroup", "list programs of", path};
  const uint32_t attachType = Args(info, attempt).u32(1, "attachType");
  const Fd cgroup = OpenCgroup(env, attempt, path);
  std::vector<uint32_t> ids(8);
  for (;;) {
    uint32_t count = static_cast<uint32_t>(ids.size());
    uint32_t flags = 0;
    const int err = bpf_prog_query(cgroup.get(), static_cast<bpf_attach_type>(attachType), 0,
                                   &flags, ids.data(), &count);
    if (err == -ENOSPC) {
      ids.resize(ids.size() * 2);
      continue;
    }
    if (err < 0) Fail(env, attempt, err);
    Napi::Array result = Napi::Array::New(env, count);
    for (uint32_t i = 0; i < count; i++) result.Set(i, ids[i]);
    return result;
  }
}

Napi::Value OpenPinnedLink(const Napi::CallbackInfo& info) {
  const std::string path =
      Args(info, {"link.openPinned", "open pinned link", ""}).string(0, "path");
  const Attempt attempt{"link.openPinned", "open pinned link", path};
  // Older kernels spell it with a hyphen in one of the two places that name it.
  return BpfLink::make(info.Env(), OpenPinned(info.Env(), attempt, path, {"bpf_link", "bpf-link"}),
                       path);
}

}  // namespace

void InitLink(Napi::Env env, Napi::Object exports) {
  BpfLink::defineClass(env);
  exports.Set("attachCgroup", Napi::Function::New(env, AttachCgroup, "attachCgroup"));
  exports.Set("attachTcx", Napi::Function::New(env, AttachTcx, "attachTcx"));
  exports.Set("attachXdp", Napi::Function::New(env, AttachXdp, "attachXdp"));
  exports.Set("queryCgroup", Napi::Function::New(env, QueryCgroup, "queryCgroup"));
  exports.Set("openPinnedLink", Napi::Function::New(env, OpenPinnedLink, "openPinnedLink"));
}
