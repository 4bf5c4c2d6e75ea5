// SPDX-License-Identifier: Apache-2.0
#include "libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <exception>
#include <string_view>

namespace {

// A plain pointer: the thread may outlive this module.
thread_local std::string* current = nullptr;

constexpr std::string_view kBegin = "-- BEGIN PROG LOAD LOG --\n";
constexpr std::string_view kEnd = "-- END PROG LOAD LOG --";

// Called by libbpf, through which nothing may be thrown: a line that finds no
// memory is lost.
int Print(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (current == nullptr || level != LIBBPF_WARN) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = vsnprintf(nullptr, 0, format, arguments);
  if (length > 0) {
    try {
      const size_t before = current->size();
      current->resize(before + static_cast<size_t>(length) + 1);
      vsnprintf(current->data() + before, static_cast<size_t>(length) + 1, format, again);
      current->resize(before + static_cast<size_t>(length));
    } catch (const std::exception&) {
    }
  }
  va_end(again);
  return length;
}

bool StartsWith(std::string_view line, std::string_view start) {
  return line.substr(0, start.size()) == start;
}

// The verifier ends with statistics; the verdict stands before them.
bool IsStatistics(std::string_view line) {
  return line.empty() || StartsWith(line, "processed ") || StartsWith(line, "verification time ") ||
         StartsWith(line, "stack depth ");
}

std::string_view LastUsefulLine(std::string_view log) {
  while (!log.empty()) {
    const size_t end = log.find_last_not_of('\n');
    if (end == std::string_view::npos) break;
    log = log.substr(0, end + 1);
    const size_t newline = log.rfind('\n');
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    if (!IsStatistics(log.substr(start))) return log.substr(start);
    log = log.substr(0, start);
  }
  return "";
}

}  // namespace

void SilenceLibbpf() { libbpf_set_print(Print); }

LibbpfCapture::LibbpfCapture() { current = &text_; }
LibbpfCapture::~LibbpfCapture() { current = nullptr; }

std::optional<std::string> LibbpfCapture::map() const {
  return named("map '", "': failed to create");
}

std::optional<std::string> LibbpfCapture::program() const {
  return named("prog '", "': BPF program load failed");
}

std::optional<std::string> LibbpfCapture::named(std::string_view before,
                                                std::string_view after) const {
  const size_t failed = text_.find(after);
  if (failed == std::string::npos) return std::nullopt;
  const size_t start = text_.rfind(before, failed);
  if (start == std::string::npos) return std::nullopt;
  return text_.substr(start + before.size(), failed - start - before.size());
}

std::optional<std::string> LibbpfCapture::verifierLog() const {
  const size_t begin = text_.find(kBegin);
  if (begin == std::string::npos) return std::nullopt;
  const size_t start = begin + kBegin.size();
  // The last mark: a log may quote anything.
  const size_t end = text_.rfind(kEnd);
  return text_.substr(start,
                      end == std::string::npos || end < start ? std::string::npos : end - start);
}

std::string LibbpfCapture::summary() const {
  if (const auto log = verifierLog()) {
    if (const std::string_view line = LastUsefulLine(*log); !line.empty()) return std::string(line);
  }
  const std::string_view libbpf = "libbpf: ";
  std::string_view line = std::string_view(text_).substr(0, text_.find('\n'));
  if (StartsWith(line, libbpf)) line.remove_prefix(libbpf.size());
  return std::string(line);
}
