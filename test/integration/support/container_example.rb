# frozen_string_literal: true

require "yaml"

require_relative "environment"

# The example of doc/scale-out/container as it stands there: what its Containerfile and its
# kubernetes.yml say.
module ContainerExample
  FOLDER = File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/container")

  module_function

  # The instructions of the Containerfile, with the rest of their lines.
  def recipe
    text = File.read(File.join(FOLDER, "Containerfile")).gsub(/^#.*\n/, "").gsub("\\\n", "")
    text.lines(chomp: true).reject(&:empty?).map { |line| line.split(" ", 2) }
  end

  def said(instruction)
    recipe.filter_map { |name, rest| rest if name == instruction }
  end

  # Puts what COPY says below the folder.
  def copy_files(root)
    said("COPY").each do |line|
      *sources, target = line.split
      target = File.join(root, target)
      FileUtils.mkdir_p(target)
      sources.each do |source|
        from = File.join(FOLDER, source)
        FileUtils.cp_r(File.directory?(from) ? "#{from}/." : from, target)
      end
    end
  end

  # Commands of RUN without those that install packages.
  def commands
    said("RUN").grep_v(/apt-get/)
  end

  # The values of the configuration, of a directive that has one value.
  def directive(name)
    File.read(File.join(FOLDER, "httpd.conf"))[/^#{name} (.*)$/, 1]
  end

  def manifests
    YAML.load_stream(File.read(File.join(FOLDER, "kubernetes.yml")))
  end

  def pod
    manifests.find { |one| one["kind"] == "Deployment" }.dig("spec", "template", "spec")
  end

  def container
    pod["containers"].fetch(0)
  end

  def user
    context = pod["securityContext"]
    "#{context['runAsUser']}:#{context['runAsGroup']}"
  end

  # The only folder that changes.
  def place
    container["volumeMounts"].fetch(0)["mountPath"]
  end

  def port
    container["ports"].fetch(0)["containerPort"]
  end

  # The path of a probe.
  def probe(name)
    container.dig("#{name}Probe", "httpGet", "path")
  end

  def pre_stop
    container.dig("lifecycle", "preStop", "exec", "command")
  end

  # Seconds from the deletion of the pod until it is killed.
  def grace
    pod["terminationGracePeriodSeconds"]
  end
end
