-- Argo CD reads the health of a BuildAndPushACR and of an AzureConnector with this script. docs/install.md says where it
-- goes. https://argo-cd.readthedocs.io/en/stable/operator-manual/health/
local function condition(name)
  if obj.status == nil or obj.status.conditions == nil then
    return nil
  end
  for _, item in ipairs(obj.status.conditions) do
    if item.type == name then
      return item
    end
  end
  return nil
end

local function health(status, message)
  return { status = status, message = message }
end

local seen = obj.status ~= nil and obj.status.observedGeneration == obj.metadata.generation
local ready, reconciling, stalled = condition("Ready"), condition("Reconciling"), condition("Stalled")

if not seen or ready == nil then
  return health("Progressing", "Waiting for the operator")
end
if reconciling ~= nil and reconciling.status == "True" then
  return health("Progressing", reconciling.message)
end
if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", stalled.reason .. ": " .. stalled.message)
end
if obj.spec.suspend == true then
  return health("Suspended", "suspend is set")
end
if ready.status == "True" then
  return health("Healthy", ready.message)
end
return health("Progressing", ready.message)
