# frozen_string_literal: true

# Verdaccio, a registry of packages: npm publishes into it and installs from it.
class VerdaccioRegistry < Application
  title "Verdaccio"
  npm "verdaccio@6.8"
  # A package with a scope is /@scope%2Fname.
  directives do |folder|
    "AllowEncodedSlashes On\nPassengerAllowEncodedSlashes on\n" \
    "PassengerAppRoot #{folder}\nPassengerAppType node\nPassengerStartupFile app.js\n"
  end

  def account(name)
    raw = server.raw(Browser::SITE)
    body = JSON.generate(name: name, password: "secret-secret")
    raw.request("PUT", "/-/user/org.couchdb.user:#{name}",
                "Content-Type" => "application/json", "Content-Length" => body.bytesize.to_s)
    JSON.parse(raw.write(body).response.body)["token"].to_s
  end

  def npm(place, *command, tls: false)
    registry = url(tls: tls)
    settings = "registry=#{registry}/\n//#{registry.split('//').last}/:_authToken=#{@token}\n" \
               "strict-ssl=false\naudit=false\nfund=false\ncache=#{SampleApps.new_folder}\n"
    FileUtils.mkdir_p(place)
    File.write(File.join(place, ".npmrc"), settings)
    client("npm", *command, chdir: place)
  end

  check "npm publishes a package with a scope" do
    @token = account("ada")
    refute_empty @token
    place = "#{SampleApps.new_folder}/tea"
    FileUtils.mkdir_p(place)
    File.write("#{place}/package.json", JSON.generate(name: "@ada/tea", version: "1.0.0"))
    File.binwrite("#{place}/leaf.bin", Random.new(2).bytes(2_000_000))
    npm(place, "publish", "--access", "public")
  end

  [false, true].each do |tls|
    check "npm installs it#{' over TLS' if tls}" do
      place = "#{SampleApps.new_folder}/site"
      npm(place, "install", "@ada/tea", tls: tls)
      assert_equal Random.new(2).bytes(2_000_000),
                   File.binread("#{place}/node_modules/@ada/tea/leaf.bin")
    end

    check "the places of files have the client's scheme and host#{' over TLS' if tls}" do
      port = tls ? server.configuration.tls_port : server.port
      file = browser(tls: tls).json("/@ada%2Ftea")["versions"]["1.0.0"]["dist"]["tarball"]
      assert_equal "http#{'s' if tls}://app.test:#{port}/@ada/tea/-/tea-1.0.0.tgz", file
    end
  end

  check "a visitor without an account publishes nothing" do
    raw = server.raw(Browser::SITE).request("PUT", "/@ada%2Fcup", "Content-Length" => "2",
                                            "Content-Type" => "application/json")
    assert_includes [401, 403], raw.write("{}").response.status
  end

  check "the page for browsers is there" do
    assert_includes assert_status(200, browser.get("/")).body, "<title>Verdaccio"
  end
end
