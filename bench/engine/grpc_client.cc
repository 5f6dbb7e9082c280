#include "grpc_client.h"

#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>

namespace ordergate::bench {
namespace {

using engine::v1::ApplyResponse;
using engine::v1::EngineService;

// The relay's (gateway/relay_window.py).
constexpr std::size_t kRequestBytes = 1 << 20;

std::shared_ptr<grpc::Channel> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(std::numeric_limits<int>::max());
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

GrpcClient::GrpcClient(const std::string& address, const std::string& digest)
    : stub_(EngineService::NewStub(connect(address))), stream_(stub_->Apply(&context_)) {
  open(digest);
}

GrpcClient::~GrpcClient() {
  context_.TryCancel();
  stream_->Finish();
}

void GrpcClient::open(const std::string& digest) {
  engine::v1::Hello& hello = *request_.mutable_hello();
  hello.set_protocol(1);
  hello.set_epoch(1);
  hello.set_instruments_digest(digest);
  hello.mutable_last_published();
  hello.set_relay("grpc_bench");
  write();
  ApplyResponse welcome;
  if (!stream_->Read(&welcome) || !welcome.has_welcome()) fail("the engine does not answer hello");
}

void GrpcClient::run(std::span<const FrameBytes> frames, std::size_t window) {
  const std::uint64_t all = sent_ + frames.size();
  std::jthread reader([this, all] { read_until(all); });
  while (!frames.empty()) frames = frames.subspan(fill(frames, window)), write();
  reader.join();
  if (broken_) fail("the stream ended");
}

void GrpcClient::run_alone(std::span<const FrameBytes> frames, std::vector<double>& round_trips_us) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    fill(frames.subspan(i, 1), 1);
    write();
    read_until(sent_);
    if (broken_) fail("the stream ended");
    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
    round_trips_us.push_back(taken.count());
  }
}

engine::v1::GetStatusResponse GrpcClient::status() {
  grpc::ClientContext context;
  engine::v1::GetStatusRequest request;
  engine::v1::GetStatusResponse response;
  request.set_state_hash(true);
  const grpc::Status status = stub_->GetStatus(&context, request, &response);
  if (!status.ok()) throw std::runtime_error("GetStatus: " + status.error_message());
  return response;
}

// Waits for room in the window. Frames received count as published at once: Redis is not measured here.
std::size_t GrpcClient::fill(std::span<const FrameBytes> frames, std::size_t window) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return broken_ || sent_ - received_.frames < window; });
  const std::uint64_t published = received_.frames;
  lock.unlock();
  request_.Clear();
  std::size_t count = 0;
  for (std::size_t bytes = 0; count < frames.size() && sent_ - published < window && bytes < kRequestBytes; ++count) {
    engine::v1::CommandEntry& entry = *request_.add_entries();
    entry.mutable_previous()->set_ms(sent_);
    entry.mutable_id()->set_ms(++sent_);
    entry.set_engine_time_ns(frames[count].engine_time_ns);
    entry.set_frame(frames[count].bytes);
    bytes += frames[count].bytes.size();
  }
  if (published != confirmed_) request_.mutable_published()->set_ms(confirmed_ = published);
  return count;
}

void GrpcClient::write() {
  if (!stream_->Write(request_)) fail("the stream can't be written");
}

void GrpcClient::read_until(std::uint64_t frames) {
  ApplyResponse response;
  while (received_.frames < frames && stream_->Read(&response)) take(response);
  const std::scoped_lock lock(mutex_);
  broken_ = received_.frames < frames;
  changed_.notify_one();
}

void GrpcClient::take(const ApplyResponse& response) {
  const std::scoped_lock lock(mutex_);
  for (const engine::v1::EventEntry& entry : response.entries()) {
    ++received_.frames;
    received_.events += entry.events();
    received_.bytes += entry.frame().size();
  }
  changed_.notify_one();
}

void GrpcClient::fail(const std::string& what) {
  context_.TryCancel();
  throw std::runtime_error(what + " after " + std::to_string(sent_) + " frames: is the engine of this build?");
}

}  // namespace ordergate::bench
