# frozen_string_literal: true

require 'fileutils'
require 'open3'
require_relative '../failure'
require_relative 'server'

module Bench
  # (4) The least that httpd can do: a C handler with the answer of apps/hello. For Rails it is a
  # part of the limit (Limit).
  class Floor < Server
    def title
      'C handler (floor)'
    end

    def missing
      unless system("command -v #{apxs} >/dev/null")
        'install the package apache2-dev (it brings apxs)'
      end
    end

    def serves?(app_name)
      %w[hello rails].include?(app_name)
    end

    private

    def apxs
      ENV.fetch('APXS', 'apxs')
    end

    def directives
      <<~DIRECTIVES
        LoadModule floor_module "#{build}"
        DocumentRoot "#{@app.folder}/public"
        <Location "/">
            SetHandler floor
        </Location>
      DIRECTIVES
    end

    # apxs writes beside the source, so it gets a copy in the build folder.
    def build
      folder = File.join(@places.work_folder, 'floor')
      built = File.join(folder, '.libs', 'mod_floor.so')
      source = File.join(@places.benchmark_source, 'floor', 'mod_floor.c')
      return built if File.exist?(built) && File.mtime(built) > File.mtime(source)

      FileUtils.mkdir_p(folder)
      FileUtils.cp(source, folder)
      output, status = Open3.capture2e(apxs, '-c', 'mod_floor.c', chdir: folder)
      unless status.success?
        raise Failure, "mod_floor.c does not compile:\n#{output.lines.first(20).join}"
      end

      built
    end
  end
end
