// SPDX-License-Identifier: Apache-2.0
// The map class and its operations on one entry.
#include "map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <fstream>

namespace {

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

bool IsArray(uint32_t type) {
  return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_ARRAY_OF_MAPS;
}

// Bytes charged for the map, which only the descriptor's fdinfo tells.
double ReadMemlock(int fd) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd));
  std::string field;
  double bytes = 0;
  while (file >> field) {
    if (field == "memlock:" && file >> bytes) return bytes;
  }
  return 0;
}

}  // namespace

bool MapShape::holdsMaps() const {
  return type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

MapShape BpfMap::readShape(Napi::Env env, const Attempt& attempt, int fd) {
  struct bpf_map_info info = {};
  uint32_t length = sizeof(info);
  if (const int err = bpf_obj_get_info_by_fd(fd, &info, &length); err < 0) Fail(env, attempt, err);

  MapShape shape;
  shape.id = info.id;
  shape.type = info.type;
  shape.keySize = info.key_size;
  shape.valueSize = info.value_size;
  shape.maxEntries = info.max_entries;
  shape.flags = info.map_flags;
  shape.kernelName = info.name;
  shape.valueBytes = info.value_size;
  if (IsPerCpu(info.type)) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) Fail(env, attempt, cpus);
    shape.valueBytes = (size_t{info.value_size} + 7) / 8 * 8 * static_cast<size_t>(cpus);
  }
  return shape;
}

Napi::Object BpfMap::make(Napi::Env env, const Attempt& attempt, Fd fd, std::string name) {
  MapShape shape = readShape(env, attempt, fd.get());
  if (name.empty()) name = shape.kernelName.empty() ? std::to_string(shape.id) : shape.kernelName;
  BpfMap& map = create(env, std::move(fd), std::move(name));
  map.shape_ = std::move(shape);
  map.scratch_.resize(map.shape_.valueBytes);
  return map.Value();
}

const uint8_t* BpfMap::key(const Args& args, size_t i) const {
  const Bytes key = args.bytes(i, "key", shape_.keySize, "the map's keys have");
  return shape_.keySize == 0 ? nullptr : key.data;
}

Bytes BpfMap::value(const Args& args, size_t i) const {
  return args.bytes(i, "value", shape_.valueBytes, "the map's values have");
}

void BpfMap::refuseMapAsValue(const Args& args) const {
  // Its values are descriptor numbers on the way in: bytes would be a lottery.
  if (shape_.holdsMaps()) args.refuse("value", "cannot be bytes in a map of maps; use setInner");
}

void BpfMap::failUpdate(Napi::Env env, const Attempt& attempt, int err,
                        std::optional<uint32_t> applied) const {
  Failure failure;
  failure.err = err;
  failure.applied = applied;
  if (err == -E2BIG && IsArray(shape_.type)) {
    failure.reason = "the index is not below " + std::to_string(shape_.maxEntries);
  } else if (err == -E2BIG || err == -ENOSPC) {
    failure.reason = "it is full with " + std::to_string(shape_.maxEntries) + " entries";
  }
  Fail(env, attempt, std::move(failure));
}

Napi::Value BpfMap::info(const Napi::CallbackInfo& info) {
  const int fd = open(info.Env(), {"map.info", "read information on map", name_});
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("id", shape_.id);
  result.Set("name", shape_.kernelName);
  result.Set("type", shape_.type);
  result.Set("keySize", shape_.keySize);
  result.Set("valueSize", shape_.valueSize);
  result.Set("maxEntries", shape_.maxEntries);
  result.Set("flags", shape_.flags);
  result.Set("memlock", ReadMemlock(fd));
  return result;
}

Napi::Value BpfMap::lookup(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.lookup", "look up in map", name_};
  const int fd = open(info.Env(), attempt);
  const uint8_t* key = this->key(Args(info, attempt), 0);
  const int err = bpf_map_lookup_elem(fd, key, scratch_.data());
  if (err == -ENOENT) return info.Env().Undefined();
  if (err < 0) Fail(info.Env(), attempt, err);
  Napi::Uint8Array value = Napi::Uint8Array::New(info.Env(), scratch_.size());
  std::copy(scratch_.begin(), scratch_.end(), value.Data());
  return value;
}

Napi::Value BpfMap::update(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.update", "update map", name_};
  const int fd = open(info.Env(), attempt);
  const Args args(info, attempt);
  refuseMapAsValue(args);
  const uint8_t* key = this->key(args, 0);
  const Bytes value = this->value(args, 1);
  const uint64_t flags = args.has(2) ? args.size(2, "flags") : 0;
  if (const int err = bpf_map_update_elem(fd, key, value.data, flags); err < 0) {
    failUpdate(info.Env(), attempt, err);
  }
  return info.Env().Undefined();
}

Napi::Value BpfMap::setInner(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.setInner", "set an inner map of map", name_};
  const int fd = open(info.Env(), attempt);
  const Args args(info, attempt);
  if (!shape_.holdsMaps()) FailArgument(info.Env(), attempt, "it is not a map of maps");
  const uint8_t* key = this->key(args, 0);
  const BpfMap& inner = unwrap(args, info[1], "inner");
  const int innerFd = descriptor(args, info[1], "inner");
  const int err = bpf_map_update_elem(fd, key, &innerFd, BPF_ANY);
  if (err == -EINVAL) {
    FailArgument(info.Env(), attempt,
                 "map " + inner.name_ + " differs from the inner map it was made with");
  }
  if (err < 0) failUpdate(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfMap::remove(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.delete", "delete from map", name_};
  const int fd = open(info.Env(), attempt);
  const int err = bpf_map_delete_elem(fd, key(Args(info, attempt), 0));
  if (err < 0 && err != -ENOENT) Fail(info.Env(), attempt, err);
  return Napi::Boolean::New(info.Env(), err == 0);
}

Napi::Value BpfMap::nextKey(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.nextKey", "walk map", name_};
  const int fd = open(info.Env(), attempt);
  const Args args(info, attempt);
  const uint8_t* previous = args.has(0) ? key(args, 0) : nullptr;
  Napi::Uint8Array next = Napi::Uint8Array::New(info.Env(), shape_.keySize);
  const int err = bpf_map_get_next_key(fd, previous, next.Data());
  if (err == -ENOENT) return info.Env().Undefined();
  if (err < 0) Fail(info.Env(), attempt, err);
  return next;
}

Napi::Value BpfMap::freeze(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.freeze", "freeze map", name_};
  const int err = bpf_map_freeze(open(info.Env(), attempt));
  if (err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

void BpfMap::defineClass(Napi::Env env) {
  define(env, "NativeMap",
         {
             InstanceAccessor("fd", &BpfMap::fdNumber, nullptr),
             InstanceMethod("info", &BpfMap::info),
             InstanceMethod("lookup", &BpfMap::lookup),
             InstanceMethod("update", &BpfMap::update),
             InstanceMethod("setInner", &BpfMap::setInner),
             InstanceMethod("delete", &BpfMap::remove),
             InstanceMethod("nextKey", &BpfMap::nextKey),
             InstanceMethod("lookupBatch", &BpfMap::lookupBatch),
             InstanceMethod("updateBatch", &BpfMap::updateBatch),
             InstanceMethod("deleteBatch", &BpfMap::deleteBatch),
             InstanceMethod("mmap", &BpfMap::mmap),
             InstanceMethod("munmap", &BpfMap::munmap),
             InstanceMethod("freeze", &BpfMap::freeze),
         });
}
