"""The ASGI application: `simulator.app:app` is configured by the environment, `create_app` takes any configuration."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from simulator import control, files, platform_api, queue_api, uploads
from simulator.config import Config
from simulator.simulation import Simulation


def create_app(config: Config) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        simulation = Simulation(config)
        app.state.simulation = simulation
        loops = [asyncio.create_task(simulation.runner.run()), asyncio.create_task(simulation.courier.run())]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            simulation.close()

    # The queue's routes take any path, so they come last.
    routes = [*control.ROUTES, *platform_api.ROUTES, *uploads.ROUTES, *files.ROUTES, *queue_api.ROUTES]
    return Starlette(routes=routes, lifespan=lifespan)


app = create_app(Config.from_environment(os.environ))
