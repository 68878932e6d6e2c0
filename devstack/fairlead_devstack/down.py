"""``python -m fairlead_devstack.down``: end the stack in the background and remove its files, however far it came."""

import argparse
import sys
from pathlib import Path

from fairlead_devstack.interruption import EXIT_CODE, end_on_signals
from fairlead_devstack.progress import say
from fairlead_devstack.run_folder import DEFAULT, NotARunFolder, RunFolder, RunFolderBusy


def main(arguments: list[str] | None = None) -> int:
    """Leave nothing of it; safe to repeat, also after an interruption.

    Args:
        arguments: The command line; this process's if None.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="fairlead_devstack.down", description="Stop the stack in the background.")
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where everything of it is kept (default: .run)")
    folder = RunFolder(parser.parse_args(arguments).folder)
    end_on_signals()
    try:
        with folder.alone():
            there = folder.path.exists()
            ended = folder.clear()
    except (RunFolderBusy, NotARunFolder) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; `make down` again does the rest")
        return EXIT_CODE
    if ended:
        say(f"ended: {', '.join(ended)}")
    say("down; nothing is left" if there or ended else "nothing is up")
    return 0


if __name__ == "__main__":
    sys.exit(main())
