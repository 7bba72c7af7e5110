ALL = {}


def run(name, folder, quick, seconds):
    return ALL[name](folder, quick, seconds)
