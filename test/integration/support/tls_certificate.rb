# frozen_string_literal: true

require "openssl"

# A self-signed certificate with its key in one file.
module TlsCertificate
  module_function

  # Does nothing if the file exists.
  def write(path)
    return if File.exist?(path)

    # A new RSA key would take a quarter of a second of CPU time.
    key = OpenSSL::PKey::EC.generate("prime256v1")
    certificate = OpenSSL::X509::Certificate.new
    certificate.subject = certificate.issuer = OpenSSL::X509::Name.parse("/CN=localhost")
    certificate.not_before = Time.now - 3_600
    certificate.not_after = Time.now + 86_400
    certificate.public_key = key
    certificate.sign(key, OpenSSL::Digest.new("SHA256"))
    File.write(path, certificate.to_pem + key.to_pem)
  end
end
