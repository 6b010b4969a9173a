# frozen_string_literal: true

require_relative 'server'

module Bench
  # (3) Puma in cluster mode behind mod_proxy_http, over a Unix socket.
  class Puma < Server
    PROGRAM = '/usr/bin/puma'

    def title
      'Apache + Puma'
    end

    def missing
      return 'install the package puma' unless File.executable?(PROGRAM)

      'this httpd has no mod_proxy_http' unless File.exist?(Httpd.module_file('proxy_http'))
    end

    def serves?(app_name)
      App.interface(app_name) == :rack
    end

    private

    def start_others
      command = [PROGRAM, '--config', '-', '--environment', 'production', '--dir', @app.folder,
                 '--preload', '--silent',
                 '--workers', @arrangement.instances.to_s, '--threads', '1:1', '--bind',
                 "unix://#{socket}", 'config.ru']
      # Puma's user makes the socket in this folder.
      @places.give_to_user(@httpd.folder)
      [KeptProcess.new(command, user: @places.user.to_s, log: File.join(@httpd.folder, 'puma.log'),
                                environment: @app.environment, directory: @app.folder)]
    end

    def modules
      %w[proxy proxy_http]
    end

    # httpd keeps connections for less time than Puma (20 s), so that it finds none closed.
    def directives
      <<~DIRECTIVES
        DocumentRoot "#{@app.folder}/public"
        ProxyPreserveHost On
        ProxyPass "/" "unix:#{socket}|http://127.0.0.1/" enablereuse=on ttl=10 retry=0
      DIRECTIVES
    end

    def socket
      File.join(@httpd.folder, 'puma.sock')
    end
  end
end
