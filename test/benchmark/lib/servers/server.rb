# frozen_string_literal: true

require_relative '../httpd'
require_relative '../process_tree'

module Bench
  # One server that is measured, with one application. Subclasses define what the machine lacks for
  # them, and the directives and further programs of the server.
  class Server
    attr_reader :httpd, :places

    def initialize(places)
      @places = places
    end

    # The short name, as in JSON and --servers.
    def self.key
      name[/\w+\z/].downcase
    end

    def key
      self.class.key
    end

    # Why the server cannot take part: nil, or one line.
    def missing
      nil
    end

    # True if the server can serve the application.
    def serves?(_app_name)
      true
    end

    # True if the server can serve the application, and do what else the arrangement asks for.
    def takes?(arrangement)
      serves?(arrangement.app) && (!arrangement.restarts || respond_to?(:restart))
    end

    # sites: copies of the application, each with a virtual host of its own.
    def start(app, arrangement, sites = [])
      @app = app
      @arrangement = arrangement
      @httpd = Httpd.new(@places, File.join(@places.run_folder, "#{key}-#{app.name}"), arrangement)
      @others = start_others
      @httpd.start(load: modules,
                   directives: directives + sites.map { |site| virtual_host(site) }.join)
    end

    # Begins the end. finish() waits for it and returns the names of processes that had to be
    # killed.
    def let_go
      kept.each(&:let_go)
    end

    def finish
      kept.flat_map(&:finish)
    end

    def url(path)
      @httpd.url(path)
    end

    def port
      @httpd.port
    end

    # Waits for a good answer to path.
    def await(path)
      @httpd.await(path)
    end

    # CPU time of all processes of the server since its start.
    def cpu_seconds
      tree = ProcessTree.new
      kept.sum { |process| tree.cpu_seconds_below(process.keeper) }
    end

    def processes
      tree = ProcessTree.new
      kept.flat_map { |process| tree.below(process.keeper) }
    end

    private

    def kept
      [@httpd&.process, *@others].compact
    end

    def start_others
      []
    end

    def modules
      []
    end

    def directives
      ''
    end

    def virtual_host(site)
      <<~DIRECTIVES
        <VirtualHost 127.0.0.1:#{@httpd.port}>
            ServerName #{site.name}
            DocumentRoot "#{site.folder}/public"
            #{site_directives(site)}
        </VirtualHost>
      DIRECTIVES
    end

    def site_directives(_site)
      ''
    end
  end
end
