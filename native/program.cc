// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <ctime>
#include <vector>

namespace {

// Nothing here is larger than a GSO packet; a wrong number must not ask for gigabytes.
constexpr uint32_t kMaxOutput = 1 << 20;
// Room for what a program may put around a packet, where the caller names no size.
constexpr size_t kHeadroom = 512;

struct bpf_prog_info ReadInfo(Napi::Env env, const Attempt& attempt, int fd,
                              std::vector<uint32_t>* mapIds) {
  struct bpf_prog_info info = {};
  info.map_ids = reinterpret_cast<uint64_t>(mapIds->data());
  info.nr_map_ids = static_cast<uint32_t>(mapIds->size());
  uint32_t length = sizeof(info);
  if (const int err = bpf_obj_get_info_by_fd(fd, &info, &length); err < 0) Fail(env, attempt, err);
  return info;
}

double Milliseconds(clockid_t clock) {
  struct timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::string Hex(const uint8_t* bytes, size_t count) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < count; i++) {
    text.push_back(digits[bytes[i] >> 4]);
    text.push_back(digits[bytes[i] & 15]);
  }
  return text;
}

Napi::Uint8Array CopyOut(Napi::Env env, const std::vector<uint8_t>& bytes, size_t size) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, size);
  std::copy(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size), array.Data());
  return array;
}

Napi::Value OpenPinnedProgram(const Napi::CallbackInfo& info) {
  const std::string path =
      Args(info, {"program.openPinned", "open pinned program", ""}).string(0, "path");
  const Attempt attempt{"program.openPinned", "open pinned program", path};
  return BpfProgram::make(info.Env(), attempt, OpenPinned(info.Env(), attempt, path, {"bpf-prog"}),
                          "");
}

Napi::Value OpenProgramById(const Napi::CallbackInfo& info) {
  const uint32_t id = Args(info, {"program.openById", "open program", ""}).u32(0, "id");
  const std::string object = "id " + std::to_string(id);
  const Attempt attempt{"program.openById", "open program", object};
  Fd fd(bpf_prog_get_fd_by_id(id));
  if (!fd.valid()) Fail(info.Env(), attempt, errno);
  return BpfProgram::make(info.Env(), attempt, std::move(fd), "");
}

}  // namespace

Napi::Object BpfProgram::make(Napi::Env env, const Attempt& attempt, Fd fd, std::string name) {
  if (name.empty()) {
    std::vector<uint32_t> none;
    const struct bpf_prog_info info = ReadInfo(env, attempt, fd.get(), &none);
    name = info.name[0] != '\0' ? info.name : std::to_string(info.id);
  }
  return create(env, std::move(fd), std::move(name)).Value();
}

Napi::Value BpfProgram::info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"program.info", "read information on program", name_};
  const int fd = open(env, attempt);
  std::vector<uint32_t> mapIds;
  mapIds.resize(ReadInfo(env, attempt, fd, &mapIds).nr_map_ids);
  const struct bpf_prog_info found = ReadInfo(env, attempt, fd, &mapIds);

  Napi::Array maps = Napi::Array::New(env, mapIds.size());
  for (uint32_t i = 0; i < mapIds.size(); i++) maps.Set(i, mapIds[i]);
  Napi::Object result = Napi::Object::New(env);
  result.Set("id", found.id);
  result.Set("name", found.name);
  result.Set("type", found.type);
  result.Set("tag", Hex(found.tag, sizeof(found.tag)));
  result.Set("verifiedInstructions", found.verified_insns);
  // The kernel counts from boot; JavaScript's clock counts from 1970.
  const double bootedAt = Milliseconds(CLOCK_REALTIME) - Milliseconds(CLOCK_BOOTTIME);
  result.Set("loadedAt", bootedAt + static_cast<double>(found.load_time) / 1e6);
  result.Set("mapIds", maps);
  result.Set("runCount", Napi::BigInt::New(env, uint64_t{found.run_cnt}));
  result.Set("runTimeNs", Napi::BigInt::New(env, uint64_t{found.run_time_ns}));
  return result;
}

Napi::Value BpfProgram::testRun(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"program.testRun", "test-run program", name_};
  const int fd = open(env, attempt);
  const Args args(info, attempt);
  const Napi::Object request = args.object(0, "request");
  const Bytes data = args.toBytes(request.Get("data"), "data");
  Bytes context;
  if (const Napi::Value given = request.Get("context"); !given.IsUndefined())
    context = args.toBytes(given, "context");
  uint32_t repeat = 1;
  if (const Napi::Value given = request.Get("repeat"); !given.IsUndefined())
    repeat = args.toU32(given, "repeat");
  size_t outSize = data.size == 0 ? 0 : data.size + kHeadroom;
  if (const Napi::Value given = request.Get("dataOutSize"); !given.IsUndefined()) {
    outSize = args.toU32(given, "dataOutSize");
  }
  if (outSize > kMaxOutput) args.refuse("dataOutSize", "is above " + std::to_string(kMaxOutput));

  std::vector<uint8_t> dataOut(outSize);
  std::vector<uint8_t> contextOut(context.size);
  // The kernel refuses a null pointer with a size and a pointer without one.
  LIBBPF_OPTS(bpf_test_run_opts, run);
  run.data_in = data.size == 0 ? nullptr : data.data;
  run.data_size_in = static_cast<uint32_t>(data.size);
  run.data_out = outSize == 0 ? nullptr : dataOut.data();
  run.data_size_out = static_cast<uint32_t>(outSize);
  run.ctx_in = context.size == 0 ? nullptr : context.data;
  run.ctx_size_in = static_cast<uint32_t>(context.size);
  run.ctx_out = context.size == 0 ? nullptr : contextOut.data();
  run.ctx_size_out = static_cast<uint32_t>(context.size);
  run.repeat = static_cast<int>(repeat);
  const int err = bpf_prog_test_run_opts(fd, &run);
  if (err == -ENOSPC) {
    Fail(env, attempt,
         {-err,
          "the packet it leaves has " + std::to_string(run.data_size_out) +
              " bytes, dataOutSize is " + std::to_string(outSize),
          "", std::nullopt, std::nullopt});
  }
  if (err < 0) Fail(env, attempt, err);

  Napi::Object result = Napi::Object::New(env);
  result.Set("retval", run.retval);
  result.Set("data", CopyOut(env, dataOut, std::min<size_t>(run.data_size_out, outSize)));
  result.Set("context",
             CopyOut(env, contextOut, std::min<size_t>(run.ctx_size_out, contextOut.size())));
  result.Set("durationNs", run.duration);
  return result;
}

void BpfProgram::defineClass(Napi::Env env) {
  define(env, "NativeProgram",
         {
             InstanceAccessor("fd", &BpfProgram::fdNumber, nullptr),
             InstanceMethod("info", &BpfProgram::info),
             InstanceMethod("testRun", &BpfProgram::testRun),
         });
}

void InitProgram(Napi::Env env, Napi::Object exports) {
  BpfProgram::defineClass(env);
  exports.Set("openPinnedProgram",
              Napi::Function::New(env, OpenPinnedProgram, "openPinnedProgram"));
  exports.Set("openProgramById", Napi::Function::New(env, OpenProgramById, "openProgramById"));
}
