// SPDX-License-Identifier: Apache-2.0
// One BPF map. The kernel copies as many bytes as its own record of the map
// says, so the sizes are read from the kernel once and every buffer is held
// against them. Batches are in map_batch.cc, memory mapping in map_mmap.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "handle.h"

struct MapShape {
  uint32_t id = 0;
  uint32_t type = 0;
  uint32_t keySize = 0;
  uint32_t valueSize = 0;
  uint32_t maxEntries = 0;
  uint32_t flags = 0;
  std::string kernelName;
  // What the kernel copies for one value: per-CPU maps hand over a value for
  // each possible CPU, each rounded up to 8 bytes.
  size_t valueBytes = 0;

  bool holdsMaps() const;
};

class BpfMap : public Handle<BpfMap> {
 public:
  static constexpr const char* kNoun = "map";
  static constexpr napi_type_tag kTag = {0x6270667376630001, 0x6d6170206d617001};
  static Napi::FunctionReference& classOf(AddonState& state) { return state.mapClass; }
  static void defineClass(Napi::Env env);

  using Handle::Handle;

  // An empty name stands for the kernel's.
  static Napi::Object make(Napi::Env env, const Attempt& attempt, Fd fd, std::string name);
  static MapShape readShape(Napi::Env env, const Attempt& attempt, int fd);

  const MapShape& shape() const { return shape_; }

  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value lookup(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value setInner(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value nextKey(const Napi::CallbackInfo& info);
  Napi::Value lookupBatch(const Napi::CallbackInfo& info);
  Napi::Value updateBatch(const Napi::CallbackInfo& info);
  Napi::Value deleteBatch(const Napi::CallbackInfo& info);
  Napi::Value mmap(const Napi::CallbackInfo& info);
  Napi::Value munmap(const Napi::CallbackInfo& info);
  Napi::Value freeze(const Napi::CallbackInfo& info);

 private:
  // Null for the maps that have no key (queues), which is what the kernel asks for.
  const uint8_t* key(const Args& args, size_t i) const;
  Bytes value(const Args& args, size_t i) const;
  void refuseMapAsValue(const Args& args) const;
  [[noreturn]] void failUpdate(Napi::Env env, const Attempt& attempt, int err,
                               std::optional<uint32_t> applied = std::nullopt) const;

  MapShape shape_;
  std::vector<uint8_t> scratch_;
};
