# frozen_string_literal: true

require_relative 'server'

module Bench
  # (6) uWSGI behind mod_proxy_uwsgi, over a Unix socket.
  class Uwsgi < Server
    PROGRAM = '/usr/bin/uwsgi'

    def title
      'Apache + uWSGI'
    end

    def missing
      unless File.executable?(PROGRAM) && Dir.glob('/usr/lib/uwsgi/plugins/python3*').any?
        return 'install the packages uwsgi-core and uwsgi-plugin-python3'
      end

      'this httpd has no mod_proxy_uwsgi' unless File.exist?(Httpd.module_file('proxy_uwsgi'))
    end

    def serves?(app_name)
      App.interface(app_name) == :wsgi
    end

    private

    def start_others
      @places.give_to_user(@httpd.folder)
      command = [PROGRAM, '--plugin', 'python3', '--master', '--processes',
                 @arrangement.instances.to_s, *threads, '--socket', socket, '--chmod-socket=666',
                 '--disable-logging', '--die-on-term', '--wsgi-file',
                 "#{@app.folder}/passenger_wsgi.py"]
      [KeptProcess.new(command, user: @places.user.to_s, directory: @app.folder,
                                log: File.join(@httpd.folder, 'uwsgi.log'))]
    end

    def threads
      @arrangement.handlers > 1 ? ['--threads', @arrangement.handlers.to_s] : []
    end

    def modules
      %w[proxy proxy_uwsgi]
    end

    def directives
      <<~DIRECTIVES
        DocumentRoot "#{@app.folder}/public"
        ProxyPass "/" "unix:#{socket}|uwsgi://uwsgi/" enablereuse=on retry=0
      DIRECTIVES
    end

    def socket
      File.join(@httpd.folder, 'uwsgi.sock')
    end
  end
end
