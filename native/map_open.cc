// SPDX-License-Identifier: Apache-2.0
// Ways to come by a map that no object file brought along: new, pinned, by id.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "map.h"

namespace {

Napi::Value CreateMap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt unnamed{"map.create", "create map", ""};
  const Args anonymous(info, unnamed);
  const Napi::Object spec = anonymous.object(0, "spec");
  const std::string name = anonymous.toString(spec.Get("name"), "name");

  const Attempt attempt{"map.create", "create map", name};
  const Args args(info, attempt);
  // libbpf would cut it, and what is listed would not be what was asked for.
  if (name.size() >= BPF_OBJ_NAME_LEN) {
    args.refuse("name", "is longer than " + std::to_string(BPF_OBJ_NAME_LEN - 1) + " bytes");
  }
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.map_flags = args.toU32(spec.Get("flags"), "flags");
  if (const Napi::Value inner = spec.Get("innerMap"); !inner.IsUndefined()) {
    options.inner_map_fd = static_cast<uint32_t>(BpfMap::descriptor(args, inner, "innerMap"));
  }
  const uint32_t type = args.toU32(spec.Get("type"), "type");
  const uint32_t keySize = args.toU32(spec.Get("keySize"), "keySize");
  const uint32_t valueSize = args.toU32(spec.Get("valueSize"), "valueSize");
  const uint32_t maxEntries = args.toU32(spec.Get("maxEntries"), "maxEntries");
  Fd fd(bpf_map_create(static_cast<bpf_map_type>(type), name.c_str(), keySize, valueSize,
                       maxEntries, &options));
  if (!fd.valid()) Fail(env, attempt, errno);
  return BpfMap::make(env, attempt, std::move(fd), name);
}

Napi::Value OpenPinnedMap(const Napi::CallbackInfo& info) {
  const std::string path = Args(info, {"map.openPinned", "open pinned map", ""}).string(0, "path");
  const Attempt attempt{"map.openPinned", "open pinned map", path};
  return BpfMap::make(info.Env(), attempt, OpenPinned(info.Env(), attempt, path, {"bpf-map"}), "");
}

Napi::Value OpenMapById(const Napi::CallbackInfo& info) {
  const uint32_t id = Args(info, {"map.openById", "open map", ""}).u32(0, "id");
  const std::string object = "id " + std::to_string(id);
  const Attempt attempt{"map.openById", "open map", object};
  Fd fd(bpf_map_get_fd_by_id(id));
  if (!fd.valid()) Fail(info.Env(), attempt, errno);
  return BpfMap::make(info.Env(), attempt, std::move(fd), "");
}

Napi::Value PossibleCpus(const Napi::CallbackInfo& info) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) Fail(info.Env(), {"addon.possibleCpus", "count", "possible CPUs"}, cpus);
  return Napi::Number::New(info.Env(), cpus);
}

}  // namespace

void InitMap(Napi::Env env, Napi::Object exports) {
  BpfMap::defineClass(env);
  exports.Set("createMap", Napi::Function::New(env, CreateMap, "createMap"));
  exports.Set("openPinnedMap", Napi::Function::New(env, OpenPinnedMap, "openPinnedMap"));
  exports.Set("openMapById", Napi::Function::New(env, OpenMapById, "openMapById"));
  exports.Set("possibleCpus", Napi::Function::New(env, PossibleCpus, "possibleCpus"));
}
