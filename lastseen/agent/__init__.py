"""The small reporter that runs on a machine: `lastseen agent`.

`numbers` reads the computer, `sender` makes one call, `pace` says how long to wait, `loop` puts them together. It needs
httpx alone; with psutil (`pip install lastseen[agent]`) its reports carry numbers.
"""
