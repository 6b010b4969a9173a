# frozen_string_literal: true

# Sites whose applications note in the file `boots` that they boot, and boot until the file `go_on`
# exists. For an IntegrationTest.
module SlowBoots
  RUBY = "File.open(File.join(__dir__, 'boots'), 'a') { |f| f.puts Process.pid }\n" \
         "sleep 0.02 until File.exist?(File.join(__dir__, 'go_on'))\n" \
         "#{SampleApps.saying('served')}".freeze

  private

  def root(name)
    server.configuration.sites.find { |one| one.name == name }.root
  end

  # The processes that have begun to boot.
  def boots(name)
    file = File.join(root(name), "boots")
    File.exist?(file) ? File.readlines(file).map(&:to_i) : []
  end

  def go_on(name)
    FileUtils.touch(File.join(root(name), "go_on"))
  end

  # The request that starts the application is served, though the block ends a process meanwhile.
  def assert_served(name)
    request = Thread.new { client(name).get("/") }
    yield(eventually("a boot", within: 60) { boots(name).last })
    go_on(name)
    response = request.value
    assert_equal %w[200 served], [response.code, response.body], name
  end
end
