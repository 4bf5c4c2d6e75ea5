// SPDX-License-Identifier: Apache-2.0
// Many entries in one system call. The kernel reports how far it came in the
// count it was given; where it fails before it starts, it leaves the count as
// it was, so an error with a full count means that nothing was done.
#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>

#include "map.h"

namespace {

uint32_t ReadCount(const Args& args, size_t i) {
  const uint32_t count = args.u32(i, "count");
  if (count == 0) args.refuse("count", "is 0");
  return count;
}

// Hash maps use a bucket number as cursor, the others a key.
size_t CursorSize(const MapShape& shape) {
  return std::max<size_t>(shape.keySize, sizeof(uint32_t));
}

Napi::Uint8Array CopyOut(Napi::Env env, const uint8_t* data, size_t size) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, size);
  std::copy(data, data + size, array.Data());
  return array;
}

std::unique_ptr<uint8_t[]> Room(Napi::Env env, const Attempt& attempt, size_t count, size_t size) {
  std::unique_ptr<uint8_t[]> room;
  size_t bytes = 0;
  if (!__builtin_mul_overflow(count, size, &bytes)) room.reset(new (std::nothrow) uint8_t[bytes]);
  if (!room) Fail(env, attempt, ENOMEM);
  return room;
}

}  // namespace

Napi::Value BpfMap::lookupBatch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"map.lookupBatch", "read a batch from map", name_};
  const int fd = open(env, attempt);
  const Args args(info, attempt);
  const size_t cursorSize = CursorSize(shape_);
  uint8_t* in = nullptr;
  if (args.has(0)) in = args.bytes(0, "cursor", cursorSize, "this map's cursors have").data;
  uint32_t room = std::min(ReadCount(args, 1), std::max(shape_.maxEntries, 1u));

  std::vector<uint8_t> out(cursorSize);
  for (;;) {
    const auto keys = Room(env, attempt, room, shape_.keySize);
    const auto values = Room(env, attempt, room, shape_.valueBytes);
    uint32_t count = room;
    const int err =
        bpf_map_lookup_batch(fd, in, out.data(), keys.get(), values.get(), &count, nullptr);
    // A hash bucket is read whole or not at all: ENOSPC is one that holds more
    // than asked for, and nothing was read.
    if (err == -ENOSPC && room < shape_.maxEntries) {
      room = static_cast<uint32_t>(std::min<uint64_t>(uint64_t{room} * 2, shape_.maxEntries));
      continue;
    }
    if (err < 0 && err != -ENOENT) Fail(env, attempt, err);
    Napi::Object result = Napi::Object::New(env);
    result.Set("keys", CopyOut(env, keys.get(), size_t{count} * shape_.keySize));
    result.Set("values", CopyOut(env, values.get(), size_t{count} * shape_.valueBytes));
    result.Set("count", count);
    // ENOENT is the end, and the entries before it are good.
    result.Set("cursor", err == -ENOENT ? env.Undefined()
                                        : Napi::Value(CopyOut(env, out.data(), cursorSize)));
    return result;
  }
}

Napi::Value BpfMap::updateBatch(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.updateBatch", "write a batch to map", name_};
  const int fd = open(info.Env(), attempt);
  const Args args(info, attempt);
  refuseMapAsValue(args);
  const uint32_t asked = ReadCount(args, 2);
  const Bytes keys = args.bytes(0, "keys", size_t{asked} * shape_.keySize, "that many keys have");
  const Bytes values =
      args.bytes(1, "values", size_t{asked} * shape_.valueBytes, "that many values have");

  uint32_t count = asked;
  const int err = bpf_map_update_batch(fd, keys.data, values.data, &count, nullptr);
  if (err < 0) failUpdate(info.Env(), attempt, err, count == asked ? 0 : count);
  return info.Env().Undefined();
}

Napi::Value BpfMap::deleteBatch(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.deleteBatch", "delete a batch from map", name_};
  const int fd = open(info.Env(), attempt);
  const Args args(info, attempt);
  const uint32_t asked = ReadCount(args, 1);
  const Bytes keys = args.bytes(0, "keys", size_t{asked} * shape_.keySize, "that many keys have");

  uint32_t done = 0;
  uint32_t deleted = 0;
  while (done < asked) {
    const uint32_t left = asked - done;
    uint32_t count = left;
    const int err =
        bpf_map_delete_batch(fd, keys.data + size_t{done} * shape_.keySize, &count, nullptr);
    if (err < 0 && count == left) count = 0;
    deleted += count;
    // The kernel stops at a key that is not there; that one is as good as deleted.
    if (err == -ENOENT)
      count++;
    else if (err < 0)
      Fail(info.Env(), attempt, {-err, "", "", std::nullopt, deleted});
    done += count;
  }
  return Napi::Number::New(info.Env(), deleted);
}
