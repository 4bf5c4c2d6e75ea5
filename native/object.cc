// SPDX-License-Identifier: Apache-2.0
// An object file on its way into the kernel: opened, configured, loaded. What
// comes out of it are maps and programs with descriptors of their own.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "args.h"
#include "errors.h"
#include "fd.h"
#include "map.h"
#include "module.h"
#include "program.h"

namespace {

constexpr size_t kLogBytes = 16 << 20;

// libbpf says more in its messages than in its errnos; kept while a call of
// ours is under way on this thread, silent otherwise.
thread_local std::string* messages = nullptr;

int Collect(enum libbpf_print_level level, const char* format, va_list args) {
  if (messages == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[1024];
  const int length = vsnprintf(line, sizeof(line), format, args);
  messages->append(line);
  return length;
}

class Listening {
 public:
  Listening() { messages = &text; }
  ~Listening() { messages = nullptr; }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  // The first line: what follows are consequences.
  std::string reason() const {
    std::string line = text.substr(0, text.find('\n'));
    return line.rfind("libbpf: ", 0) == 0 ? line.substr(8) : line;
  }

  std::string text;
};

// The verifier closes its log with statistics; the complaint stands before.
std::string LastUsefulLine(const std::string& log) {
  size_t end = log.size();
  while (end > 0) {
    const size_t newline = log.rfind('\n', end - 1);
    const size_t start = newline == std::string::npos ? 0 : newline + 1;
    const std::string line = log.substr(start, end - start);
    if (!line.empty() && line.rfind("processed ", 0) != 0 && line.rfind("verification time", 0) != 0 &&
        line.rfind("stack depth", 0) != 0) {
      return line;
    }
    if (start == 0) break;
    end = newline;
  }
  return "";
}

struct ObjectCloser {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

class BpfObject : public Napi::ObjectWrap<BpfObject> {
 public:
  static void defineClass(Napi::Env env);
  static Napi::Value openObject(const Napi::CallbackInfo& info);

  explicit BpfObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfObject>(info) {}

  Napi::Value maps(const Napi::CallbackInfo& info);
  Napi::Value programs(const Napi::CallbackInfo& info);
  Napi::Value setVariable(const Napi::CallbackInfo& info);
  Napi::Value setMaxEntries(const Napi::CallbackInfo& info);
  Napi::Value reuseMap(const Napi::CallbackInfo& info);
  Napi::Value setAutoload(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value map(const Napi::CallbackInfo& info);
  Napi::Value program(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

 private:
  bpf_object* open(Napi::Env env, const Attempt& attempt) const;
  bpf_map* findMap(const Args& args, const Attempt& attempt, size_t i) const;
  bpf_program* findProgram(const Args& args, const Attempt& attempt, size_t i) const;
  // Neither maps nor variables can be changed once they are in the kernel.
  void refuseLoaded(const Args& args) const;

  std::unique_ptr<bpf_object, ObjectCloser> object_;
  std::string name_;
  std::unique_ptr<char, decltype(&free)> log_{nullptr, free};
  bool loaded_ = false;
};

Napi::Value BpfObject::openObject(const Napi::CallbackInfo& info) {
  const Attempt anonymous{"object.open", "open object", ""};
  const std::string path = Args(info, anonymous).string(0, "path");
  const Attempt attempt{"object.open", "open object", path};
  // calloc gives untouched pages: a log that nobody writes costs nothing.
  std::unique_ptr<char, decltype(&free)> log(static_cast<char*>(calloc(1, kLogBytes)), free);
  if (log == nullptr) Fail(info.Env(), attempt, ENOMEM);
  LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log.get(), .kernel_log_size = kLogBytes);
  Listening listening;
  bpf_object* opened = bpf_object__open_file(path.c_str(), &options);
  if (opened == nullptr) {
    Failure failure;
    failure.err = errno;
    failure.reason = listening.reason();
    Fail(info.Env(), attempt, std::move(failure));
  }
  std::unique_ptr<bpf_object, ObjectCloser> owner(opened);
  Napi::Object wrapped = AddonState::of(info.Env()).objectClass.New({});
  BpfObject& self = *BpfObject::Unwrap(wrapped);
  self.object_ = std::move(owner);
  self.name_ = path;
  self.log_ = std::move(log);
  return wrapped;
}

bpf_object* BpfObject::open(Napi::Env env, const Attempt& attempt) const {
  if (object_ == nullptr) FailClosed(env, attempt);
  return object_.get();
}

bpf_map* BpfObject::findMap(const Args& args, const Attempt& attempt, size_t i) const {
  const std::string name = args.string(i, "map");
  bpf_map* found = bpf_object__find_map_by_name(open(args.env(), attempt), name.c_str());
  if (found == nullptr) args.refuse("map", name + " is not in the object");
  return found;
}

bpf_program* BpfObject::findProgram(const Args& args, const Attempt& attempt, size_t i) const {
  const std::string name = args.string(i, "program");
  bpf_program* found = bpf_object__find_program_by_name(open(args.env(), attempt), name.c_str());
  if (found == nullptr) args.refuse("program", name + " is not in the object");
  return found;
}

void BpfObject::refuseLoaded(const Args& args) const {
  if (loaded_) args.refuse("object", "is loaded already");
}

Napi::Value BpfObject::maps(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.maps", "list maps of", name_};
  Napi::Array list = Napi::Array::New(info.Env());
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, open(info.Env(), attempt)) {
    Napi::Object row = Napi::Object::New(info.Env());
    row.Set("name", bpf_map__name(map));
    row.Set("type", static_cast<uint32_t>(bpf_map__type(map)));
    row.Set("keySize", bpf_map__key_size(map));
    row.Set("valueSize", bpf_map__value_size(map));
    row.Set("maxEntries", bpf_map__max_entries(map));
    row.Set("flags", bpf_map__map_flags(map));
    list.Set(list.Length(), row);
  }
  return list;
}

Napi::Value BpfObject::programs(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.programs", "list programs of", name_};
  Napi::Array list = Napi::Array::New(info.Env());
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, open(info.Env(), attempt)) {
    Napi::Object row = Napi::Object::New(info.Env());
    row.Set("name", bpf_program__name(program));
    row.Set("section", bpf_program__section_name(program));
    row.Set("type", static_cast<uint32_t>(bpf_program__type(program)));
    row.Set("expectedAttachType", static_cast<uint32_t>(bpf_program__expected_attach_type(program)));
    list.Set(list.Length(), row);
  }
  return list;
}

// The memory of a variable before load: its section's initial value, at the
// offset that BTF gives.
Napi::Value BpfObject::setVariable(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.setVariable", "set a variable of", name_};
  const Args args(info, attempt);
  bpf_object* object = open(info.Env(), attempt);
  refuseLoaded(args);
  const std::string name = args.string(0, "name");
  const struct btf* btf = bpf_object__btf(object);
  const int id = btf == nullptr ? -ENOENT : btf__find_by_name_kind(btf, name.c_str(), BTF_KIND_VAR);
  if (id < 0) args.refuse("name", name + " is not a variable of the object");

  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    size_t size = 0;
    auto* memory = static_cast<uint8_t*>(const_cast<void*>(bpf_map__initial_value(map, &size)));
    const uint32_t sectionId = bpf_map__btf_value_type_id(map);
    if (memory == nullptr || sectionId == 0) continue;
    const btf_type* section = btf__type_by_id(btf, sectionId);
    if (section == nullptr || !btf_is_datasec(section)) continue;
    const btf_var_secinfo* variables = btf_var_secinfos(section);
    for (int i = 0; i < btf_vlen(section); i++) {
      if (static_cast<int>(variables[i].type) != id) continue;
      const Bytes bytes = args.bytes(1, "bytes", variables[i].size, "the variable has");
      if (variables[i].offset + bytes.size > size) args.refuse("name", name + " lies outside its section");
      memcpy(memory + variables[i].offset, bytes.data, bytes.size);
      return info.Env().Undefined();
    }
  }
  args.refuse("name", name + " is in no section that can be set");
}

Napi::Value BpfObject::setMaxEntries(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.setMaxEntries", "resize a map of", name_};
  const Args args(info, attempt);
  bpf_map* map = findMap(args, attempt, 0);
  refuseLoaded(args);
  const int err = bpf_map__set_max_entries(map, args.u32(1, "entries"));
  if (err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfObject::reuseMap(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.reuseMap", "use an existing map in", name_};
  const Args args(info, attempt);
  bpf_map* map = findMap(args, attempt, 0);
  refuseLoaded(args);
  const int fd = BpfMap::descriptor(args, info[1], "existing");
  const MapShape shape = BpfMap::readShape(info.Env(), attempt, fd);
  std::string differences;
  const auto compare = [&](const char* what, uint32_t wanted, uint32_t found) {
    if (wanted == found) return;
    if (!differences.empty()) differences += ", ";
    differences += std::string(what) + " " + std::to_string(found) + " instead of " + std::to_string(wanted);
  };
  compare("type", bpf_map__type(map), shape.type);
  compare("key size", bpf_map__key_size(map), shape.keySize);
  compare("value size", bpf_map__value_size(map), shape.valueSize);
  compare("max entries", bpf_map__max_entries(map), shape.maxEntries);
  compare("flags", bpf_map__map_flags(map), shape.flags);
  if (!differences.empty()) {
    args.refuse("existing", std::string("differs from ") + bpf_map__name(map) + ": " + differences);
  }
  const int err = bpf_map__reuse_fd(map, fd);
  if (err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfObject::setAutoload(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.setAutoload", "choose programs of", name_};
  const Args args(info, attempt);
  bpf_program* program = findProgram(args, attempt, 0);
  refuseLoaded(args);
  const int err = bpf_program__set_autoload(program, args.boolean(1, "on"));
  if (err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfObject::load(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.load", "load object", name_};
  const Args args(info, attempt);
  bpf_object* object = open(info.Env(), attempt);
  refuseLoaded(args);
  Listening listening;
  if (const int err = bpf_object__load(object); err < 0) {
    Failure failure;
    failure.err = err;
    failure.reason = listening.reason();
    if (log_.get()[0] != '\0') {
      failure.verifierLog = std::string(log_.get());
      failure.reason += ": " + LastUsefulLine(*failure.verifierLog);
    }
    Fail(info.Env(), attempt, std::move(failure));
  }
  loaded_ = true;
  log_.reset();
  return info.Env().Undefined();
}

Napi::Value BpfObject::map(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.map", "take a map from", name_};
  const Args args(info, attempt);
  const bpf_map* map = findMap(args, attempt, 0);
  if (!loaded_) args.refuse("object", "is not loaded");
  Fd fd = Fd::duplicate(bpf_map__fd(map));
  if (!fd.valid()) Fail(info.Env(), attempt, errno);
  return BpfMap::make(info.Env(), attempt, std::move(fd), bpf_map__name(map));
}

Napi::Value BpfObject::program(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.program", "take a program from", name_};
  const Args args(info, attempt);
  const bpf_program* program = findProgram(args, attempt, 0);
  if (!loaded_ || bpf_program__fd(program) < 0) args.refuse("program", "is not loaded");
  Fd fd = Fd::duplicate(bpf_program__fd(program));
  if (!fd.valid()) Fail(info.Env(), attempt, errno);
  return BpfProgram::make(info.Env(), attempt, std::move(fd), bpf_program__name(program));
}

Napi::Value BpfObject::close(const Napi::CallbackInfo& info) {
  object_.reset();
  log_.reset();
  return info.Env().Undefined();
}

void BpfObject::defineClass(Napi::Env env) {
  AddonState::of(env).objectClass = Napi::Persistent(
      DefineClass(env, "NativeObject",
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

}  // namespace

void InitObject(Napi::Env env, Napi::Object exports) {
  libbpf_set_print(Collect);
  BpfObject::defineClass(env);
  exports.Set("openObject", Napi::Function::New(env, BpfObject::openObject, "openObject"));
}
