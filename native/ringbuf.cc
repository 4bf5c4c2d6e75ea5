// SPDX-License-Identifier: Apache-2.0
// A ring buffer's records, brought into the event loop. A thread sleeps on the
// ring and copies records to a bounded queue; the loop empties the queue in one
// call. A loop that is busy costs records, which are counted, never memory.
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <node_api.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "map.h"

namespace {

constexpr size_t kQueueBytes = 4 << 20;

// Records one behind the other, each from a multiple of 8 as the kernel lays
// them out, so that a program's struct can be read in place.
struct Records {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> sizes;
};

size_t Padded(size_t size) { return std::max<size_t>((size + 7) / 8 * 8, 8); }

struct RingDeleter {
  void operator()(struct ring_buffer* ring) const { ring_buffer__free(ring); }
};

class RingReader {
 public:
  // Calls onRecords(Uint8Array[]) until close() or the end of the environment,
  // and keeps the event loop alive that long, as a socket does.
  static std::shared_ptr<RingReader> start(Napi::Env env, const Attempt& attempt, int mapFd,
                                           Napi::Function onRecords);

  // On the JavaScript thread. No callback is made afterwards; a second time does nothing.
  void close();
  uint64_t dropped();

 private:
  // The thread's side.
  void run();
  int push(const uint8_t* data, size_t size);

  // The loop's side.
  static void Deliver(napi_env env, napi_value onRecords, void* reader, void*);
  static void CloseAtExit(void* reader) { static_cast<RingReader*>(reader)->close(); }
  Records take();

  napi_env env_ = nullptr;
  Fd map_;  // its own, so that closing the map does not end the reading
  Fd stop_;
  std::unique_ptr<struct ring_buffer, RingDeleter> ring_;
  std::thread thread_;
  // Null once it is let go of; the loop's side only, but for calls to it.
  napi_threadsafe_function deliver_ = nullptr;

  std::mutex mutex_;
  Records queue_;
  bool called_ = false;  // a delivery is on its way and will take what is queued
  bool stopping_ = false;
  uint64_t dropped_ = 0;
};

std::shared_ptr<RingReader> RingReader::start(Napi::Env env, const Attempt& attempt, int mapFd,
                                              Napi::Function onRecords) {
  auto reader = std::make_shared<RingReader>();
  reader->env_ = env;
  reader->map_ = Fd::duplicate(mapFd);
  if (!reader->map_.valid()) Fail(env, attempt, errno);
  reader->stop_ = Fd(eventfd(0, EFD_CLOEXEC));
  if (!reader->stop_.valid()) Fail(env, attempt, errno);
  const auto sample = [](void* self, void* data, size_t size) {
    return static_cast<RingReader*>(self)->push(static_cast<const uint8_t*>(data), size);
  };
  reader->ring_.reset(ring_buffer__new(reader->map_.get(), sample, reader.get(), nullptr));
  if (!reader->ring_) Fail(env, attempt, errno);

  // A share for Node: a delivery may be under way when everybody else has let go.
  auto share = std::make_unique<std::shared_ptr<RingReader>>(reader);
  const auto unshare = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<RingReader>*>(data);
  };
  napi_threadsafe_function deliver = nullptr;
  if (napi_create_threadsafe_function(
          env, onRecords, nullptr, Napi::String::New(env, "bpfsvc ring buffer"), 0, 1, share.get(),
          unshare, reader.get(), Deliver, &deliver) != napi_ok) {
    throw Napi::Error::New(env);
  }
  share.release();
  reader->deliver_ = deliver;
  // Added after the function's own hook and therefore run before it: the thread
  // is gone when Node takes the function away.
  napi_add_env_cleanup_hook(env, CloseAtExit, reader.get());
  try {
    reader->thread_ = std::thread([raw = reader.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    reader->close();
    Fail(env, attempt, error.code().value());
  }
  return reader;
}

void RingReader::close() {
  if (deliver_ == nullptr) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(stop_.get(), 1);
  // Never long: the thread waits for nothing but the two descriptors.
  if (thread_.joinable()) thread_.join();
  ring_.reset();
  map_.reset();
  stop_.reset();
  dropped_ += take().sizes.size();
  napi_remove_env_cleanup_hook(env_, CloseAtExit, this);
  napi_release_threadsafe_function(std::exchange(deliver_, nullptr), napi_tsfn_abort);
}

uint64_t RingReader::dropped() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return dropped_;
}

void RingReader::run() {
  pthread_setname_np(pthread_self(), "bpfsvc-ring");
  struct pollfd waits[] = {{ring_buffer__epoll_fd(ring_.get()), POLLIN, 0},
                           {stop_.get(), POLLIN, 0}};
  for (;;) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    // Returns early, with push()'s error, when it is time to stop.
    if (waits[0].revents != 0) ring_buffer__consume(ring_.get());
  }
}

// Called by libbpf, through which nothing may be thrown.
int RingReader::push(const uint8_t* data, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return -ECANCELED;
  const size_t start = queue_.bytes.size();
  try {
    if (start + Padded(size) > kQueueBytes) {
      dropped_++;
      return 0;
    }
    queue_.bytes.resize(start + Padded(size));
    std::copy(data, data + size, queue_.bytes.begin() + static_cast<ptrdiff_t>(start));
    queue_.sizes.push_back(static_cast<uint32_t>(size));
  } catch (const std::exception&) {
    queue_.bytes.resize(start);
    dropped_++;
    return 0;
  }
  // One call at a time; it takes all that has gathered until it runs.
  if (!called_)
    called_ = napi_call_threadsafe_function(deliver_, nullptr, napi_tsfn_nonblocking) == napi_ok;
  return 0;
}

Records RingReader::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  called_ = false;
  return std::exchange(queue_, Records());
}

void RingReader::Deliver(napi_env rawEnv, napi_value onRecords, void* context, void*) {
  auto* reader = static_cast<RingReader*>(context);
  // No environment: it is going down. No function: closed with this call under way.
  if (rawEnv == nullptr || reader->deliver_ == nullptr) return;
  const Napi::Env env(rawEnv);
  try {
    const Records records = reader->take();
    Napi::ArrayBuffer memory = Napi::ArrayBuffer::New(env, records.bytes.size());
    std::copy(records.bytes.begin(), records.bytes.end(), static_cast<uint8_t*>(memory.Data()));
    Napi::Array list = Napi::Array::New(env, records.sizes.size());
    size_t offset = 0;
    for (uint32_t i = 0; i < records.sizes.size(); i++) {
      list.Set(i, Napi::Uint8Array::New(env, records.sizes[i], memory, offset));
      offset += Padded(records.sizes[i]);
    }
    Napi::Function(env, onRecords).Call({list});
  } catch (const Napi::Error& error) {
    // Left to itself, Node would drop what onRecords throws, with a warning.
    napi_fatal_exception(env, error.Value());
  }
}

Napi::Value OpenRingBuffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt unnamed{"ringbuf.open", "read ring buffer", ""};
  const BpfMap& map = BpfMap::unwrap(Args(info, unnamed), info[0], "map");
  const Attempt attempt{"ringbuf.open", "read ring buffer", map.name()};
  const Args args(info, attempt);
  const int fd = BpfMap::descriptor(args, info[0], "map");
  if (map.shape().type != BPF_MAP_TYPE_RINGBUF)
    FailArgument(env, attempt, "the map is of another type");
  const auto reader = RingReader::start(env, attempt, fd, args.function(1, "onRecords"));

  Napi::Object handle = Napi::Object::New(env);
  handle.Set("close", Napi::Function::New(
                          env, [reader](const Napi::CallbackInfo&) { reader->close(); }, "close"));
  handle.Set("dropped", Napi::Function::New(
                            env,
                            [reader](const Napi::CallbackInfo& call) {
                              return Napi::Number::New(call.Env(),
                                                       static_cast<double>(reader->dropped()));
                            },
                            "dropped"));
  return handle;
}

}  // namespace

void InitRingBuffer(Napi::Env env, Napi::Object exports) {
  exports.Set("openRingBuffer", Napi::Function::New(env, OpenRingBuffer, "openRingBuffer"));
}
