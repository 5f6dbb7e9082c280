// Credentials of the listener.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>

namespace ordergate::rpc {

// Paths of PEM files; all three or none.
struct TlsFiles {
  std::string cert;  // our certificate, and those between it and its root
  std::string key;   // its key
  std::string ca;    // who signs the certificates of those who may connect

  bool any() const { return !cert.empty() || !key.empty() || !ca.empty(); }
};

// The files' texts, checked; all empty without TLS.
struct TlsPem {
  std::string cert;
  std::string key;
  std::string ca;
};

// Texts, or the option at fault and why.
struct LoadedTls {
  std::optional<TlsPem> pem;
  std::string option;
  std::string error;
};

LoadedTls load_tls(const TlsFiles& files);

// Without texts no encryption; with them TLS, and only for clients with a certificate of ours. Starts threads of gRPC.
std::shared_ptr<grpc::ServerCredentials> credentials_of(const TlsPem& pem);

}  // namespace ordergate::rpc
