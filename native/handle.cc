// SPDX-License-Identifier: Apache-2.0
#include "handle.h"

#include <unistd.h>

#include <cerrno>

namespace {

// "bpf-map" for a descriptor of anon_inode:bpf-map; empty when it cannot be told.
std::string KindOf(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  char text[64];
  const ssize_t length = readlink(link.c_str(), text, sizeof(text));
  if (length < 0) return "";
  const std::string_view name(text, static_cast<size_t>(length));
  const size_t colon = name.find(':');
  return std::string(colon == std::string_view::npos ? name : name.substr(colon + 1));
}

}  // namespace

Fd OpenPinned(Napi::Env env, const Attempt& attempt, const std::string& path,
              std::initializer_list<std::string_view> kinds) {
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd.valid()) Fail(env, attempt, errno);
  const std::string kind = KindOf(fd.get());
  for (const std::string_view wanted : kinds) {
    if (kind == wanted) return fd;
  }
  FailArgument(env, attempt,
               kind.empty() ? "/proc does not say what is pinned there"
                            : "what is pinned there is a " + kind);
}
