#include "rpc/tls.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <sstream>
#include <utility>

namespace ordergate::rpc {
namespace {

using Bio = std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })>;
using Certificate = std::unique_ptr<X509, decltype([](X509* certificate) { X509_free(certificate); })>;
using Key = std::unique_ptr<EVP_PKEY, decltype([](EVP_PKEY* key) { EVP_PKEY_free(key); })>;

// Thrown within this file only.
struct Refused {
  std::string option;
  std::string text;
};

std::string read(const char* option, const std::string& path) {
  if (path.empty()) throw Refused{option, "--tls-cert, --tls-key and --tls-ca belong together"};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw Refused{option, path + ": can't be read"};
  return std::move(text).str();
}

Bio view(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

Certificate certificate(const char* option, const std::string& path, const std::string& pem) {
  Certificate found(PEM_read_bio_X509(view(pem).get(), nullptr, nullptr, nullptr));
  if (!found) throw Refused{option, path + ": not a certificate in PEM form"};
  return found;
}

// An encrypted key would ask for its pass phrase at the terminal, for ever.
Key private_key(const char* option, const std::string& path, const std::string& pem) {
  constexpr auto no_pass_phrase = [](char*, int, int, void*) { return 0; };
  Key found(PEM_read_bio_PrivateKey(view(pem).get(), nullptr, no_pass_phrase, nullptr));
  if (!found) throw Refused{option, path + ": not a private key in PEM form without a pass phrase"};
  return found;
}

TlsPem load(const TlsFiles& files) {
  TlsPem pem{
      .cert = read("--tls-cert", files.cert), .key = read("--tls-key", files.key), .ca = read("--tls-ca", files.ca)};
  const Certificate own = certificate("--tls-cert", files.cert, pem.cert);
  const Key own_key = private_key("--tls-key", files.key, pem.key);
  if (X509_check_private_key(own.get(), own_key.get()) != 1) {
    throw Refused{"--tls-key", files.key + ": not the key of the certificate in " + files.cert};
  }
  certificate("--tls-ca", files.ca, pem.ca);
  return pem;
}

}  // namespace

LoadedTls load_tls(const TlsFiles& files) {
  if (!files.any()) return {TlsPem(), {}, {}};
  try {
    return {load(files), {}, {}};
  } catch (Refused& refused) {
    return {std::nullopt, std::move(refused.option), std::move(refused.text)};
  }
}

std::shared_ptr<grpc::ServerCredentials> credentials_of(const TlsPem& pem) {
  if (pem.cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = pem.ca;
  options.pem_key_cert_pairs.push_back({.private_key = pem.key, .cert_chain = pem.cert});
  return grpc::SslServerCredentials(options);
}

}  // namespace ordergate::rpc
