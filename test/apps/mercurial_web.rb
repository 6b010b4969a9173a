# frozen_string_literal: true

# hgweb, the server of Mercurial: the command hg clones from it and pushes into it.
class MercurialWeb < Application
  title "Mercurial's hgweb"
  debian "mercurial"
  prepare %w[hg init repository]
  directives { "PassengerPython /usr/bin/python3\n" }

  def hg(*command, chdir: "/")
    client("hg", "--config", "ui.username=ada", *command, chdir: chdir,
           environment: { "HGRCPATH" => "", "HGPLAIN" => "1" })
  end

  check "a clone pushes a large file" do
    @clone = "#{SampleApps.new_folder}/clone"
    hg("clone", "#{url}/tea", @clone)
    File.binwrite("#{@clone}/leaf.bin", Random.new(3).bytes(4_000_000))
    hg("commit", "--addremove", "-m", "a leaf", chdir: @clone)
    assert_includes hg("push", chdir: @clone), "added 1 changesets"
  end

  [false, true].each do |tls|
    check "another clone has it#{' over TLS' if tls}" do
      other = "#{SampleApps.new_folder}/other"
      hg("clone", *("--insecure" if tls), "#{url(tls: tls)}/tea", other)
      assert_equal Random.new(3).bytes(4_000_000), File.binread("#{other}/leaf.bin")
    end
  end

  check "pages and archives are there" do
    assert_includes assert_status(200, browser.get("/tea/log")).body, "a leaf"
    answer = assert_status(200, browser.get("/tea/archive/tip.tar.gz"))
    assert_equal "\x1F\x8B".b, answer.body.b[0, 2]
  end
end
