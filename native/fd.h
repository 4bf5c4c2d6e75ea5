// SPDX-License-Identifier: Apache-2.0
// One owner for one descriptor. Everything here is close-on-exec: an agent that
// starts clang must not hand its maps to it. Knows nothing of BPF.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }

  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  // Invalid with errno set when the descriptor cannot be duplicated.
  static Fd duplicate(int fd) { return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

  // Keeps errno, so that a failed call can be reported after its clean-up.
  void reset() {
    if (fd_ < 0) return;
    const int saved = errno;
    close(std::exchange(fd_, -1));
    errno = saved;
  }

 private:
  int fd_ = -1;
};
