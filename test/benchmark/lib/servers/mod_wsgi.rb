# frozen_string_literal: true

require_relative 'server'

module Bench
  # (5) mod_wsgi with daemon processes.
  class ModWsgi < Server
    def title
      'mod_wsgi'
    end

    def missing
      return nil if File.exist?(Httpd.module_file('wsgi'))

      'install the package libapache2-mod-wsgi-py3 (then: a2dismod wsgi)'
    end

    def serves?(app_name)
      App.interface(app_name) == :wsgi
    end

    private

    def modules
      %w[wsgi]
    end

    def directives
      <<~DIRECTIVES
        DocumentRoot "#{@app.folder}/public"
        WSGISocketPrefix "#{@httpd.folder}/wsgi"
        WSGIDaemonProcess hello processes=#{@arrangement.instances} threads=#{@arrangement.handlers}
        WSGIProcessGroup hello
        WSGIApplicationGroup %{GLOBAL}
        WSGIScriptAlias / "#{@app.folder}/passenger_wsgi.py"
      DIRECTIVES
    end
  end
end
