// SPDX-License-Identifier: Apache-2.0
// The link class: what it is attached to, replacing its program, detaching.
#include "link.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "program.h"

namespace {

// Values of enum bpf_link_type; the headers of Debian 12 end before TCX.
constexpr uint32_t kLinkCgroup = 3;
constexpr uint32_t kLinkXdp = 6;
constexpr uint32_t kLinkTcx = 11;

// struct bpf_link_info as far as it concerns these three, whatever the headers
// know. The kernel fills as much of it as both sides have.
struct LinkInfo {
  uint32_t type;
  uint32_t id;
  uint32_t programId;
  uint32_t pad;
  union {
    struct {
      uint64_t cgroupId;
      uint32_t attachType;
    } cgroup;
    struct {
      uint32_t ifindex;
      uint32_t attachType;  // tcx only
    } device;
    uint8_t room[64];
  };
};

}  // namespace

Napi::Object BpfLink::make(Napi::Env env, Fd fd, std::string name) {
  return create(env, std::move(fd), std::move(name)).Value();
}

Napi::Value BpfLink::info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"link.info", "read information on link", name_};
  const int fd = open(env, attempt);
  LinkInfo found = {};
  uint32_t length = sizeof(found);
  if (const int err = bpf_obj_get_info_by_fd(fd, &found, &length); err < 0) Fail(env, attempt, err);

  Napi::Object result = Napi::Object::New(env);
  result.Set("id", found.id);
  result.Set("type", found.type);
  result.Set("programId", found.programId);
  if (found.type == kLinkCgroup) {
    result.Set("cgroupId", Napi::BigInt::New(env, found.cgroup.cgroupId));
    result.Set("attachType", found.cgroup.attachType);
  } else if (found.type == kLinkTcx) {
    result.Set("ifindex", found.device.ifindex);
    result.Set("attachType", found.device.attachType);
  } else if (found.type == kLinkXdp) {
    result.Set("ifindex", found.device.ifindex);
  }
  return result;
}

Napi::Value BpfLink::update(const Napi::CallbackInfo& info) {
  const Attempt attempt{"link.update", "replace the program of link", name_};
  const int fd = open(info.Env(), attempt);
  const int program = BpfProgram::descriptor(Args(info, attempt), info[0], "program");
  if (const int err = bpf_link_update(fd, program, nullptr); err < 0)
    Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfLink::detach(const Napi::CallbackInfo& info) {
  const Attempt attempt{"link.detach", "detach link", name_};
  if (const int err = bpf_link_detach(open(info.Env(), attempt)); err < 0)
    Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

void BpfLink::defineClass(Napi::Env env) {
  define(env, "NativeLink",
         {
             InstanceMethod("info", &BpfLink::info),
             InstanceMethod("update", &BpfLink::update),
             InstanceMethod("detach", &BpfLink::detach),
         });
}
