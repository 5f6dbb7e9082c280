#include "peer.h"

#include <limits>
#include <stdexcept>

#include "ordergate/v1/order_entry_service.pb.h"
#include "wire.h"

namespace ordergate::load {
namespace {

std::string name_of(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  const auto n = static_cast<std::size_t>(code);
  return n < std::size(kNames) ? kNames[n] : "status " + std::to_string(n);
}

// Content of the first field `number` of a message, empty if there is none.
std::string_view field(std::string_view message, std::uint32_t number) {
  for (Fields fields(message); fields.next();) {
    if (fields.number() == number) return fields.bytes();
  }
  return {};
}

// Waits for the one operation that is under way on `queue`.
bool wait(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

}  // namespace

Peer::Peer(const std::string& address, std::string token, std::size_t connections)
    : address_(address), token_(std::move(token)) {
  grpc::ChannelArguments arguments;
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);  // else channels to one address share a connection
  arguments.SetMaxReceiveMessageSize(std::numeric_limits<int>::max());
  arguments.SetMaxSendMessageSize(std::numeric_limits<int>::max());
  for (std::size_t n = 0; n < connections; ++n) {
    channels_.push_back(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    stubs_.push_back(std::make_unique<grpc::GenericStub>(channels_.back()));
  }
}

void Peer::authorise(grpc::ClientContext& context) const {
  if (!token_.empty()) context.AddMetadata("authorization", "Bearer " + token_);
}

void Peer::connect(int seconds) {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(seconds);
  for (const auto& channel : channels_) {
    if (!channel->WaitForConnected(deadline)) {
      throw std::runtime_error("nobody serves gRPC on " + address_ + ": is the gateway running (`make run`)?");
    }
  }
}

std::vector<std::string> Peer::accounts() {
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  authorise(context);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::SessionRequest hello;
  hello.mutable_hello()->set_acks_only(true);
  const auto call = stub(0).PrepareCall(&context, kSession, &queue);
  grpc::ByteBuffer answer;
  call->StartCall(nullptr);
  bool ok = wait(queue);
  if (ok) call->WriteLast(buffer_of(hello.SerializeAsString()), {}, nullptr), ok = wait(queue);
  if (ok) call->Read(&answer, nullptr), ok = wait(queue);
  v1::SessionResponse response;
  grpc::Slice copy;
  if (ok) {
    const std::string_view bytes = bytes_of(answer, copy);
    ok = response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && response.has_welcome();
  }
  if (ok) context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait(queue);
  if (!ok) throw std::runtime_error("Session is refused: " + reason_of(status) + ": " + status.error_message());
  return {response.welcome().accounts().begin(), response.welcome().accounts().end()};
}

grpc::ByteBuffer buffer_of(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string_view bytes_of(const grpc::ByteBuffer& buffer, grpc::Slice& copy) {
  if (!buffer.TrySingleSlice(&copy).ok() && !buffer.DumpToSingleSlice(&copy).ok()) return {};
  return {reinterpret_cast<const char*>(copy.begin()), copy.size()};
}

std::string reason_of(const grpc::Status& status) {
  // google.rpc.Status{3: Any{2: ErrorInfo{1: reason}}}
  const std::string details = status.error_details();
  for (Fields fields(details); fields.next();) {
    if (fields.number() != 3 || !field(fields.bytes(), 1).ends_with("google.rpc.ErrorInfo")) continue;
    const std::string_view reason = field(field(fields.bytes(), 2), 1);
    if (!reason.empty()) return std::string(reason);
  }
  return name_of(status.error_code());
}

}  // namespace ordergate::load
