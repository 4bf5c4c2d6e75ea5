// SPDX-License-Identifier: Apache-2.0
// What libbpf prints. Its print function is one for the whole process, while
// loads run in several environments: each thread captures its own, and outside
// of a capture nothing is printed at all.
//
// No log buffer is handed to libbpf: left alone it makes the verifier's log
// buffer itself, doubles it until the log fits, and prints the log whole; one
// of ours would be used as it is, and a failed object cannot be loaded again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

// Once per process is enough; again does no harm.
void SilenceLibbpf();

// From construction to destruction, warnings of this thread are kept. They do
// not nest.
class LibbpfCapture {
 public:
  LibbpfCapture();
  ~LibbpfCapture();
  LibbpfCapture(const LibbpfCapture&) = delete;
  LibbpfCapture& operator=(const LibbpfCapture&) = delete;

  const std::string& text() const { return text_; }

  // The map that could not be made.
  std::optional<std::string> map() const;
  // The program whose load failed, and the verifier's words on it.
  std::optional<std::string> program() const;
  std::optional<std::string> verifierLog() const;
  // One line for people: the verifier's verdict, else libbpf's first complaint;
  // empty when neither said anything.
  std::string summary() const;

 private:
  // What stands between the mark and what follows it.
  std::optional<std::string> named(std::string_view before, std::string_view after) const;

  std::string text_;
};
