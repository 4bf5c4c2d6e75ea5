// SPDX-License-Identifier: Apache-2.0
// The memory of an array map as an ArrayBuffer over the pages the kernel reads:
// one Atomics.store into it is one store the BPF programs see.
#include "map.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "mapping.h"

namespace {

uint64_t RoundUp(uint64_t size, uint64_t to) { return (size + to - 1) / to * to; }

}  // namespace

Napi::Value BpfMap::mmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"map.mmap", "map the memory of map", name_};
  const int fd = open(env, attempt);
  const Args args(info, attempt);
  if (shape_.type != BPF_MAP_TYPE_ARRAY || (shape_.flags & BPF_F_MMAPABLE) == 0) {
    FailArgument(env, attempt, "it is not an array with BPF_F_MMAPABLE");
  }
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t whole = RoundUp(uint64_t{shape_.maxEntries} * RoundUp(shape_.valueSize, 8), page);
  const uint64_t offset = args.size(0, "offset");
  const uint64_t length = args.size(1, "length");
  if (offset % page != 0)
    args.refuse("offset", "is not a multiple of the page size " + std::to_string(page));
  if (length == 0) args.refuse("length", "is 0");
  if (offset > whole || length > whole - offset) {
    args.refuse("length", "ends behind the map's " + std::to_string(whole) + " bytes");
  }

  void* address =
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (address == MAP_FAILED) Fail(env, attempt, errno);
  auto mapping = std::make_unique<Mapping>(AddonState::of(env).mappings, address, length);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, address, length, [](Napi::BasicEnv, void*, Mapping* ended) { delete ended; },
      mapping.get());
  mapping.release();
  return buffer;
}

// Works on a closed map too: closing it did not end the mapping.
Napi::Value BpfMap::munmap(const Napi::CallbackInfo& info) {
  const Attempt attempt{"map.munmap", "unmap the memory of map", name_};
  const Args args(info, attempt);
  if (!info[0].IsArrayBuffer()) args.refuse("buffer", "is not an ArrayBuffer");
  Napi::ArrayBuffer buffer = info[0].As<Napi::ArrayBuffer>();
  if (buffer.IsDetached()) return info.Env().Undefined();
  MappingTable& table = *AddonState::of(info.Env()).mappings;
  const auto found = table.find(buffer.Data());
  if (found == table.end()) args.refuse("buffer", "is not memory of a map");
  // First out of JavaScript's reach, then out of the address space.
  buffer.Detach();
  found->second->end();
  return info.Env().Undefined();
}
