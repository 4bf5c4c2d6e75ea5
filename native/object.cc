// SPDX-License-Identifier: Apache-2.0
// The object's life: open, load, and what it hands out. Settings made before
// the load are in object_settings.cc.
#include "object.h"

#include <bpf/btf.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "libbpf_log.h"
#include "map.h"
#include "program.h"

namespace {

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Napi::Value OpenObject(const Napi::CallbackInfo& info) {
  const std::string path = Args(info, {"object.open", "open object", ""}).string(0, "path");
  const Attempt attempt{"object.open", "open object", path};
  const LibbpfCapture capture;
  ObjectPtr object(bpf_object__open_file(path.c_str(), nullptr));
  if (!object) {
    Failure failure;
    failure.err = errno;
    // For a missing file libbpf says no more than the error does.
    if (errno != ENOENT) failure.reason = capture.summary();
    Fail(info.Env(), attempt, std::move(failure));
  }
  return BpfObject::make(info.Env(), std::move(object), BaseName(path));
}

// libbpf puts the object's name before a section of global variables:
// "tc_lb.rodata" is known here as ".rodata", in every object.
std::string NameInSource(const struct bpf_map* map) {
  const std::string name = bpf_map__name(map);
  const size_t dot = name.find('.');
  return bpf_map__is_internal(map) && dot != std::string::npos ? name.substr(dot) : name;
}

// Room for the verifier's statistics on one program.
struct Effort {
  const char* program;
  std::vector<char> log;
};

// Statistics alone, which also kernels before 5.16 tell, whose information on a
// program has no count. A log that is long enough is not printed by libbpf.
std::vector<Effort> watchVerifier(struct bpf_object* object) {
  constexpr uint32_t kStatistics = 4;
  constexpr size_t kRoom = 16 * 1024;
  std::vector<Effort> efforts;
  struct bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    efforts.push_back({bpf_program__name(program), std::vector<char>(kRoom)});
    bpf_program__set_log_level(program, kStatistics);
    bpf_program__set_log_buf(program, efforts.back().log.data(), kRoom);
  }
  return efforts;
}

// "processed 1234 insns (limit 1000000) ..."; nothing of a program left out.
std::optional<uint32_t> instructionsIn(const char* log) {
  uint32_t count = 0;
  const char* words = std::strstr(log, "processed ");
  if (words == nullptr || std::sscanf(words, "processed %u insns", &count) != 1)
    return std::nullopt;
  return count;
}

}  // namespace

Napi::Object BpfObject::make(Napi::Env env, ObjectPtr object, std::string name) {
  Napi::Object wrapped = AddonState::of(env).objectClass.New({});
  BpfObject* self = Unwrap(wrapped);
  self->object_ = std::move(object);
  self->name_ = std::move(name);
  struct bpf_map* map = nullptr;
  bpf_object__for_each_map(map, self->object_.get()) self->maps_[NameInSource(map)] = map;
  return wrapped;
}

struct bpf_object* BpfObject::open(Napi::Env env, const Attempt& attempt) const {
  if (!object_) FailClosed(env, attempt);
  return object_.get();
}

struct bpf_object* BpfObject::loaded(Napi::Env env, const Attempt& attempt) const {
  struct bpf_object* object = open(env, attempt);
  if (state_ == State::kOpen) FailArgument(env, attempt, "the object is not loaded");
  if (state_ == State::kFailed) FailArgument(env, attempt, "loading the object has failed");
  return object;
}

Napi::Value BpfObject::maps(const Napi::CallbackInfo& info) {
  open(info.Env(), {"object.maps", "list maps of object", name_});
  Napi::Array result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const auto& [name, map] : maps_) {
    Napi::Object row = Napi::Object::New(info.Env());
    row.Set("name", name);
    row.Set("type", static_cast<uint32_t>(bpf_map__type(map)));
    row.Set("keySize", bpf_map__key_size(map));
    row.Set("valueSize", bpf_map__value_size(map));
    row.Set("maxEntries", bpf_map__max_entries(map));
    row.Set("flags", bpf_map__map_flags(map));
    result.Set(count++, row);
  }
  return result;
}

Napi::Value BpfObject::programs(const Napi::CallbackInfo& info) {
  const struct bpf_object* object =
      open(info.Env(), {"object.programs", "list programs of object", name_});
  Napi::Array result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  struct bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    Napi::Object row = Napi::Object::New(info.Env());
    row.Set("name", bpf_program__name(program));
    row.Set("section", bpf_program__section_name(program));
    row.Set("type", static_cast<uint32_t>(bpf_program__type(program)));
    row.Set("expectedAttachType",
            static_cast<uint32_t>(bpf_program__expected_attach_type(program)));
    result.Set(count++, row);
  }
  return result;
}

Napi::Value BpfObject::load(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.load", "load object", name_};
  struct bpf_object* object = unloaded(info.Env(), attempt);
  const Args args(info, attempt);
  std::vector<Effort> efforts;
  if (args.has(0) && args.boolean(0, "count")) efforts = watchVerifier(object);
  const LibbpfCapture capture;
  const int err = bpf_object__load(object);
  state_ = err < 0 ? State::kFailed : State::kLoaded;
  if (err < 0) {
    Failure failure;
    failure.err = err;
    if (const auto map = capture.map())
      Fail(info.Env(), {"map.create", "create map", *map}, std::move(failure));
    failure.reason = capture.summary();
    if (failure.reason.empty()) failure.reason = ErrnoText(-err);
    if (const auto program = capture.program())
      failure.reason = "program " + *program + ": " + failure.reason;
    failure.verifierLog = capture.verifierLog();
    Fail(info.Env(), attempt, std::move(failure));
  }
  if (efforts.empty()) return info.Env().Undefined();
  Napi::Object counts = Napi::Object::New(info.Env());
  for (const Effort& effort : efforts) {
    if (const auto count = instructionsIn(effort.log.data())) counts.Set(effort.program, *count);
  }
  return counts;
}

Napi::Value BpfObject::map(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.map", "take a map from object", name_};
  loaded(info.Env(), attempt);
  const Args args(info, attempt);
  const auto& [name, map] = findMap(args, attempt, 0);
  Fd fd = Fd::duplicate(bpf_map__fd(map));
  if (!fd.valid()) Fail(info.Env(), attempt, errno);
  return BpfMap::make(info.Env(), attempt, std::move(fd), name);
}

Napi::Value BpfObject::program(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.program", "take a program from object", name_};
  loaded(info.Env(), attempt);
  const Args args(info, attempt);
  const struct bpf_program* program = findProgram(args, attempt, 0);
  const std::string name = bpf_program__name(program);
  if (bpf_program__fd(program) < 0)
    FailArgument(info.Env(), attempt, "program " + name + " was not to be loaded");
  Fd fd = Fd::duplicate(bpf_program__fd(program));
  if (!fd.valid()) Fail(info.Env(), attempt, errno);
  return BpfProgram::make(info.Env(), attempt, std::move(fd), name);
}

Napi::Value BpfObject::close(const Napi::CallbackInfo& info) {
  maps_.clear();
  object_.reset();
  return info.Env().Undefined();
}

void BpfObject::defineClass(Napi::Env env) {
  AddonState::of(env).objectClass =
      Napi::Persistent(DefineClass(env, "NativeObject",
                                   {
                                       InstanceMethod("maps", &BpfObject::maps),
                                       InstanceMethod("programs", &BpfObject::programs),
                                       InstanceMethod("setVariable", &BpfObject::setVariable),
                                       InstanceMethod("setMaxEntries", &BpfObject::setMaxEntries),
                                       InstanceMethod("reuseMap", &BpfObject::reuseMap),
                                       InstanceMethod("setAutoload", &BpfObject::setAutoload),
                                       InstanceMethod("load", &BpfObject::load),
                                       InstanceMethod("map", &BpfObject::map),
                                       InstanceMethod("program", &BpfObject::program),
                                       InstanceMethod("close", &BpfObject::close),
                                   }));
}

void InitObject(Napi::Env env, Napi::Object exports) {
  SilenceLibbpf();
  BpfObject::defineClass(env);
  exports.Set("openObject", Napi::Function::New(env, OpenObject, "openObject"));
}
