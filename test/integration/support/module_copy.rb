# frozen_string_literal: true

require "fileutils"

# A copy of the module that a test may replace as a package's upgrade does: with a new file of the same name.
class ModuleCopy
  attr_reader :path

  def initialize(folder)
    @path = File.join(folder, "mod_passenger.so")
    FileUtils.cp(TestEnvironment::PASSENGER_MODULE, @path)
  end

  # Puts an altered module in the place of this one: it gives the product's name with another first letter. (Not the
  # end: linkers let short strings be the ends of longer ones.) Returns that name.
  def replace(product)
    content = File.binread(path)
    altered = product.swapcase[0] + product[1..]
    raise "#{path} does not have #{product.inspect} in it" unless content.gsub!(product.b, altered.b)

    File.binwrite("#{path}.new", content)
    File.chmod(0o755, "#{path}.new")
    File.rename("#{path}.new", path)
    altered
  end
end
