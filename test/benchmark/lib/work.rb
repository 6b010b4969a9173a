# frozen_string_literal: true

require_relative 'app'
require_relative 'arrangement'
require_relative 'loads/body_load'
require_relative 'loads/closed_load'
require_relative 'loads/deploying'
require_relative 'loads/fixed_load'
require_relative 'loads/goodput'
require_relative 'loads/mixed_load'
require_relative 'loads/overload'
require_relative 'loads/tls_load'
require_relative 'loads/web_sockets'

module Bench
  # One row of the benchmark: a page, requested by `clients` clients, in at most `most_rounds`
  # rounds. With another load, the clients count for the warm-up only. `rate` is FixedLoad's, which
  # has at most `clients` connections. `streams`: of HTTP/2 on each connection; nil: HTTP/1.1.
  Work = Struct.new(:key, :title, :arrangement, :path, :clients, :load, :rate, :most_rounds,
                    :streams, keyword_init: true) do
    def app
      arrangement.app
    end

    # Why the work cannot be measured: nil, or one line.
    def missing(places)
      App.missing(app) || load.missing(places)
    end

    def selected_by?(names)
      names.empty? || names.any? { |name| key == name || app == name }
    end
  end

  HELLO = Arrangement.new(app: 'hello')
  RAILS = Arrangement.new(app: 'rails')
  BODIES = Arrangement.new(app: 'bodies')
  # httpd has enough threads, so that requests wait in the application's queue.
  WAITING = Arrangement.new(app: 'mixed', instances: 4, threads: 64)
  REFUSING = Arrangement.new(app: 'mixed', threads: 200, queue_target: '200ms')
  RESTARTING = Arrangement.new(app: 'rails', restarts: true)
  # httpd's own 150 threads. HTTP/2 has further ones in each process.
  HELLO_TLS = Arrangement.new(app: 'hello', children: 6, tls: true)
  BODIES_TLS = Arrangement.new(app: 'bodies', tls: true)
  # httpd's proxy has a thread for each WebSocket.
  SOCKETS = Arrangement.new(app: 'sockets', threads: 600)
  CROWDED = Arrangement.new(app: 'hello', threads: 80)

  # Short answers of applications that are not Ruby's.
  SHORT_ANSWERS = { 'wsgi' => 'hello WSGI', 'django' => 'hello Django', 'asgi' => 'hello ASGI',
                    'fastapi' => 'hello FastAPI', 'node' => 'hello Node',
                    'express' => 'hello Express',
                    'command' => 'hello of a command that speaks HTTP' }.freeze
  # Each child of httpd has a thread for each client, since the kernel shares the connections out
  # unevenly. A child with more clients than threads closes kept connections: wrk counts an error.
  WAITS = { 'wsgi' => Arrangement.new(app: 'wsgi', handlers: 5, threads: 64),
            'asgi' => Arrangement.new(app: 'asgi', threads: 64),
            'node' => Arrangement.new(app: 'node', threads: 64) }.freeze

  # By key: the protocol, clients and streams.
  TLS = { 'tls' => ['HTTP/1.1', 16, nil], 'h2-1' => ['HTTP/2', 16, 1], 'h2-10' => ['HTTP/2', 4, 10],
          'h2-100' => ['HTTP/2', 2, 100] }.freeze

  WORKS = [
    Work.new(key: 'hello-16', title: 'hello Rack, 16 clients', arrangement: HELLO, path: '/hello',
             clients: 16,
             load: ClosedLoad),
    Work.new(key: 'hello-1', title: 'hello Rack, 1 client', arrangement: HELLO, path: '/hello',
             clients: 1,
             load: ClosedLoad),
    Work.new(key: 'rails-plain', title: 'Rails plain action, 8 clients', arrangement: RAILS,
             path: '/plain', clients: 8,
             load: ClosedLoad),
    Work.new(key: 'rails-list', title: 'Rails list from SQLite, 8 clients', arrangement: RAILS,
             path: '/posts',
             clients: 8, load: ClosedLoad),
    Work.new(key: 'mixed', title: 'mixed, 4 instances at 70 % load: 95 % of 2 ms (shown), 5 % of ' \
                                  '300 ms',
             arrangement: WAITING, path: '/short', clients: 16, load: MixedLoad),
    Work.new(key: 'overload',
             title: 'overload: hello, 16 clients and as much beside them, a line of 100',
             arrangement: CROWDED, path: '/hello', clients: 16, load: Overload),
    Work.new(key: 'goodput', title: '50 ms pages, up to 5 times the capacity (5 is shown)',
             arrangement: REFUSING, path: '/page', clients: 2, load: Goodput, most_rounds: 1),
    Work.new(key: 'deploy', title: 'Rails plain action, 600 requests a second, while versions ' \
                                   'start',
             arrangement: RESTARTING, path: '/plain', clients: 64, load: Deploying, rate: 600),
    Work.new(key: 'down', title: '1 GiB down, 1 client: MiB/s and CPU per MiB', arrangement: BODIES,
             path: '/', clients: 1,
             load: Download, most_rounds: 2),
    Work.new(key: 'up', title: '128 MiB up, 1 client: MiB/s and CPU per MiB', arrangement: BODIES,
             path: '/', clients: 1,
             load: Upload, most_rounds: 2),
    *TLS.map do |key, (protocol, clients, streams)|
      Work.new(key: key, title: "hello Rack over TLS, #{protocol}, #{clients} clients" \
                                "#{", #{streams} at once each" if streams}",
               arrangement: HELLO_TLS, path: '/hello', clients: clients, streams: streams,
               load: TlsLoad)
    end,
    *%w[tls h2].product([TlsDownload, TlsUpload]).map do |key, load|
      Work.new(key: "#{key}-#{load.key}",
               title: "#{load::MEBIBYTES} MiB #{load.key} over TLS, " \
                      "#{key == 'h2' ? 'HTTP/2' : 'HTTP/1.1'}, 1 client: MiB/s and CPU per MiB",
               arrangement: BODIES_TLS, path: '/', clients: 1, streams: key == 'h2' ? 1 : nil,
               load: load, most_rounds: 2)
    end,
    Work.new(key: 'sockets', title: '1,000 WebSockets, 1,000 messages a second there and back',
             arrangement: SOCKETS, path: '/', clients: 1000, rate: 1000, load: WebSockets),
    *SHORT_ANSWERS.map do |name, title|
      Work.new(key: name, title: "#{title}, 16 clients", arrangement: Arrangement.new(app: name),
               path: '/hello', clients: 16, load: ClosedLoad)
    end,
    *WAITS.map do |name, arrangement|
      Work.new(key: "#{name}-wait", title: "100 ms of waiting, #{name}, 64 clients",
               arrangement: arrangement, path: '/wait', clients: 64, load: ClosedLoad)
    end,
    *WAITS.keys.product([Download, Upload]).map do |name, load|
      Work.new(key: "#{name}-#{load.key}",
               title: "#{load::MEBIBYTES} MiB #{load.key}, #{name}, 1 client: MiB/s and CPU " \
                      "per MiB",
               arrangement: Arrangement.new(app: name), path: '/hello', clients: 1, load: load,
               most_rounds: 2)
    end
  ].freeze

  # For programs that serve by themselves, with four workers each.
  HELLO_ALONE = Arrangement.new(app: 'hello', instances: 4)
  RAILS_ALONE = Arrangement.new(app: 'rails', instances: 4)

  PREFORK_WORKS = [
    Work.new(key: 'hello-16', title: 'hello Rack, 16 clients', arrangement: HELLO_ALONE,
             path: '/hello', clients: 16,
             load: ClosedLoad),
    Work.new(key: 'hello-64', title: 'hello Rack, 64 clients', arrangement: HELLO_ALONE,
             path: '/hello', clients: 64,
             load: ClosedLoad),
    Work.new(key: 'rails-plain', title: 'Rails plain action, 16 clients', arrangement: RAILS_ALONE,
             path: '/plain', clients: 16,
             load: ClosedLoad),
    Work.new(key: 'hello-connect', title: 'hello Rack, 64 clients, a connection for each request',
             arrangement: HELLO_ALONE, path: '/hello',
             clients: 64, load: ConnectingLoad),
    Work.new(key: 'rails-connect', title: 'Rails plain action, 16 clients, a connection for each ' \
                                          'request', arrangement: RAILS_ALONE,
             path: '/plain', clients: 16, load: ConnectingLoad),
    Work.new(key: 'hello-rate', title: 'hello Rack, 10,000 requests a second',
             arrangement: HELLO_ALONE, path: '/hello', clients: 64,
             load: FixedLoad, rate: 10_000),
    Work.new(key: 'rails-rate', title: 'Rails plain action, 1,200 requests a second',
             arrangement: RAILS_ALONE, path: '/plain', clients: 64,
             load: FixedLoad, rate: 1_200)
  ].freeze
end
