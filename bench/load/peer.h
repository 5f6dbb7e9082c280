// The server under load: its connections, and the calls to it as bytes.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ordergate::load {

// What a completion queue gives back: it is told how the operation went.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void done(bool ok) = 0;
};

class Peer {
 public:
  // `token`: a bearer token, or empty.
  Peer(const std::string& address, std::string token, std::size_t connections);

  // One of the connections, each of them a TCP connection of its own.
  grpc::GenericStub& stub(std::size_t n) { return *stubs_[n % stubs_.size()]; }
  // Adds the token to a call.
  void authorise(grpc::ClientContext& context) const;
  // Waits for all connections. Throws std::runtime_error if the server can't be reached within `seconds`.
  void connect(int seconds);
  // Accounts that the server says the token holds. Throws std::runtime_error if it refuses.
  std::vector<std::string> accounts();

 private:
  std::string address_;
  std::string token_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
};

inline constexpr const char* kSession = "/ordergate.v1.OrderEntryService/Session";
inline constexpr const char* kSubmit = "/ordergate.v1.OrderEntryService/Submit";
inline constexpr const char* kHealth = "/grpc.health.v1.Health/Check";

grpc::ByteBuffer buffer_of(std::string_view bytes);
// The bytes of `buffer`, valid as long as it and `copy` are: without a copy where they lie in one piece.
std::string_view bytes_of(const grpc::ByteBuffer& buffer, grpc::Slice& copy);
// Why a call failed: the reason that the server gave with its status, or the name of the status.
std::string reason_of(const grpc::Status& status);

}  // namespace ordergate::load
