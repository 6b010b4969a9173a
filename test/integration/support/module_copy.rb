# frozen_string_literal: true

require "fileutils"

# A copy of the module that a test may replace as a package's upgrade does: with a new file of the same name.
class ModuleCopy
  attr_reader :path

  def initialize(folder)
    @path = File.join(folder, "mod_passenger.so")
    FileUtils.cp(TestEnvironment::PASSENGER_MODULE, @path)
  end

  # Puts an altered module in the place of this one. Where the product's text, or the version in it, is found in the
  # file, it is changed to another of the same length, and the product's new text is returned; else only the file is new.
  def replace(product)
    content = File.binread(path)
    old = [product, product.to_s[/\d+\.\d+\.\d+/]].compact.find { |text| content.include?(text) }
    altered = old&.gsub(/\d/, "9")
    content.gsub!(old.b, altered.b) if old
    # Bytes behind the end of an ELF file mean nothing, so the file is another one in any case.
    File.binwrite("#{path}.new", "#{content}altered")
    File.chmod(0o755, "#{path}.new")
    File.rename("#{path}.new", path)
    old && product.gsub(old, altered)
  end
end
