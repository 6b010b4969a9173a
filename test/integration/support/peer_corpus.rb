# frozen_string_literal: true

# Requests whose environment must be the same here and with Phusion Passenger: [site, method,
# target, headers, body].
module PeerCorpus
  PATHS = %w[
    / /a /a/ /a/b/c /a.b /a%20b /a%25b /caf%C3%A9 /a+b /a%2Bb /~user /%7Euser /a;b=c /a,b /a@b
    /a:b /a=b&c /a'b /a(b) /a*b!c$d
    /%E2%82%AC /a%3Fb /a%23b /a%5Bb%5D /a/../b /a/./b //a//b /a/%2e%2e/b /.hidden /a..b /...
    /posts/1.json /deeply/nested/path/of/seven/names/here
  ].freeze
  QUERIES = %w[a a=b a=b&c=d a=%20&b=+ a[]=1&a[]=2 = & %zz a=%00 a=/../ a=http://x/?y a=%C3%A9
               a=b?c?d a#b].freeze
  HEADERS = [
    { "Accept" => "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" },
    { "Accept-Encoding" => "gzip, deflate" }, { "Accept-Language" => "de, en;q=0.5" },
    { "Cookie" => "a=b; c=d" }, { "User-Agent" => "Mozilla/5.0 (X11; Linux x86_64)" },
    { "Referer" => "http://peer.test/x?y" },
    { "X-Requested-With" => "XMLHttpRequest" }, { "X-Forwarded-For" => "192.0.2.1, 192.0.2.2" },
    { "X-Forwarded-Proto" => "https" },
    { "X-Forwarded-Host" => "other.test" }, { "Authorization" => "Basic eDp5" },
    { "Cache-Control" => "no-cache" }, { "If-None-Match" => "\"x\"" },
    { "Range" => "bytes=0-9" }, { "Origin" => "http://peer.test" }, { "X-Empty" => "" },
    { "X-Long" => "x" * 4_000 }, { "DNT" => "1" },
    { "X-Colour" => "blue" }, { "Content-Type" => "text/plain" }
  ].freeze
  BODIES = [
    ["POST", { "Content-Type" => "application/x-www-form-urlencoded" }, "a=b"],
    ["POST", { "Content-Type" => "application/json" }, "{}"],
    ["POST", {}, ""], ["PUT", { "Content-Type" => "text/plain" }, "x" * 5_000],
    ["PATCH", {}, "abc"], ["DELETE", {}, ""],
    ["POST", { "Content-Type" => "multipart/form-data; boundary=x" }, "--x--\r\n"]
  ].freeze
  METHODS = %w[HEAD OPTIONS DELETE PROPFIND REPORT MKCOL LOCK].freeze
  SUB_PATHS = %w[/sub /sub/ /sub/a%20b /sub/a/../b /sub/x?y=z /submarine /%73ub/x].freeze
  REWRITTEN = %w[/old/a /old/a%20b?c=d /hta/x /hta/x?y=z /hta/a%20b].freeze
  OTHER = [["set.peer.test", "/blue"], ["set.peer.test", "/red"], ["slash.peer.test", "/a%2Fb"],
           ["slash.peer.test", "/a%2fb?c=%2F"],
           ["slash.peer.test", "/a%20b"], ["slash.peer.test", "/plain"], ["fast.peer.test", "/x"],
           ["fast.peer.test", "/hta/x"]].freeze

  def self.all
    get = ->(site, target, headers = {}) { [site, "GET", target, headers, nil] }
    PATHS.map { |path| get.call("peer.test", path) } +
      QUERIES.map { |query| get.call("peer.test", "/q?#{query}") } +
      HEADERS.map { |headers| get.call("peer.test", "/h", headers) } +
      BODIES.map { |method, headers, body| ["peer.test", method, "/b", headers, body] } +
      METHODS.map { |method| ["peer.test", method, "/m", {}, nil] } +
      SUB_PATHS.map { |path| get.call("peer.test", path) } +
      REWRITTEN.map { |path| get.call("rewrite.peer.test", path) } +
      OTHER.map { |site, path| get.call(site, path) }
  end
end
