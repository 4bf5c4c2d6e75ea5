// SPDX-License-Identifier: Apache-2.0
// Map memory lent to JavaScript as an ArrayBuffer. A mapping ends once: by
// munmap, by the collector, or with the environment. It keeps the map alive
// in the kernel, whatever becomes of the descriptor.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <map>
#include <memory>
#include <utility>

class Mapping;

// The live mappings of one environment, by address. Shared with each mapping,
// because Node gives no order between the end of the state and of the buffers.
using MappingTable = std::map<const void*, Mapping*>;

class Mapping {
 public:
  Mapping(std::shared_ptr<MappingTable> table, void* address, size_t length)
      : table_(std::move(table)), address_(address), length_(length) {
    (*table_)[address_] = this;
  }
  ~Mapping() { end(); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void end() {
    if (address_ == nullptr) return;
    table_->erase(address_);
    ::munmap(address_, length_);
    address_ = nullptr;
  }

 private:
  std::shared_ptr<MappingTable> table_;
  void* address_;
  size_t length_;
};
