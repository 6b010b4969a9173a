# frozen_string_literal: true

require 'fileutils'
require_relative 'server'

module Bench
  # Processes that speak HTTP behind httpd's balancer, each over a Unix socket.
  class Balanced < Server
    MODULES = %w[proxy proxy_http proxy_wstunnel proxy_balancer slotmem_shm
                 lbmethod_bybusyness].freeze

    private

    def start_others
      @places.give_to_user(@httpd.folder)
      sockets.map do |socket|
        FileUtils.rm_f(socket) # of an earlier arrangement: its process was killed
        KeptProcess.new(command(socket), user: @places.user.to_s, directory: @app.folder,
                                         environment: { 'SOCKET' => socket },
                                         log: File.join(@httpd.folder, 'application.log'))
      end
    end

    def modules
      MODULES
    end

    def directives
      members = sockets.each_with_index.map do |socket, index|
        "BalancerMember \"unix:#{socket}|#{scheme}://member#{index}\" enablereuse=on retry=0"
      end
      <<~DIRECTIVES
        DocumentRoot "#{@app.folder}/public"
        <Proxy "balancer://members">
            #{members.join("\n")}
            ProxySet lbmethod=bybusyness
        </Proxy>
        ProxyPass "/" "balancer://members/"
      DIRECTIVES
    end

    # mod_proxy_wstunnel passes other requests to mod_proxy_http.
    def scheme
      @app.name == 'sockets' ? 'ws' : 'http'
    end

    def sockets
      Array.new(@arrangement.instances) { |index| File.join(@httpd.folder, "member#{index}.sock") }
    end
  end

  # (7) uvicorn.
  class Uvicorn < Balanced
    def title
      'Apache + uvicorn'
    end

    def missing
      return nil if system('/usr/bin/python3 -c "import uvicorn" >/dev/null 2>&1')

      'install the package uvicorn'
    end

    def serves?(app_name)
      App.interface(app_name) == :asgi
    end

    private

    def command(socket)
      ['/usr/bin/python3', '-m', 'uvicorn', '--uds', socket, '--no-access-log', '--log-level',
       'warning', 'passenger_asgi:application']
    end
  end

  # (8) gunicorn, of one process behind each socket.
  class Gunicorn < Balanced
    PROGRAM = '/usr/bin/gunicorn'

    def title
      'Apache + gunicorn'
    end

    def missing
      'install the package gunicorn' unless File.executable?(PROGRAM)
    end

    def serves?(app_name)
      App.interface(app_name) == :wsgi
    end

    private

    def command(socket)
      [PROGRAM, '--bind', "unix:#{socket}", '--workers', '1', '--threads',
       @arrangement.handlers.to_s, '--log-level', 'warning', 'passenger_wsgi:application']
    end
  end

  # (9) Node.
  class Node < Balanced
    def title
      'Apache + Node'
    end

    def missing
      'install the package nodejs' unless system('node --version >/dev/null 2>&1')
    end

    def serves?(app_name)
      %i[node command].include?(App.interface(app_name))
    end

    private

    def command(_socket)
      %w[node app.js]
    end
  end
end
